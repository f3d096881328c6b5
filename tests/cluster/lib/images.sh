# shellcheck shell=bash
# buildah with its storage in the state folder, and the way from there into the cluster.
# Needs settings.sh.

# A given CONTAINERS_STORAGE_CONF is respected: then images come from where it says.
use_storage() {
    [[ -z ${CONTAINERS_STORAGE_CONF:-} ]] || return 0
    export CONTAINERS_STORAGE_CONF=$IMAGES/storage.conf
    mkdir -p "$IMAGES"
    # vfs needs nothing of the kernel and of the file system below.
    cat >"$CONTAINERS_STORAGE_CONF" <<EOF
[storage]
driver = "vfs"
graphroot = "$IMAGES/storage"
runroot = "$IMAGES/run"
EOF
}

# archive IMAGE FILE: writes the image as an OCI archive that containerd can import.
archive() {
    rm -f "$2.new"
    buildah push --quiet "$1" "oci-archive:$2.new:$1" >/dev/null
    mv "$2.new" "$2"
}

