# shellcheck shell=bash disable=SC2034 # read by the files that source this one
# Where the cluster's files live and which addresses it takes. Starts nothing.

readonly CLUSTER_DIR=${BASH_SOURCE[0]%/lib/*}
STATE=$(realpath -m "${CLUSTER_STATE:-$CLUSTER_DIR/../../.state/cluster}")
readonly STATE
readonly BIN=$STATE/bin           # what `build` makes; survives `down --purge`
readonly ARCHIVES=$STATE/archives # likewise
readonly IMAGES=$STATE/images     # buildah's storage
readonly CONFIG=$STATE/config
readonly PKI=$STATE/pki
readonly LOGS=$STATE/logs
readonly RUN=$STATE/run           # void after a reboot: pids, sockets, container state
readonly KUBECONFIG_FILE=$STATE/kubeconfig

readonly NODE=node0
readonly BRIDGE=kite0
readonly CONTAINERD_SOCKET=$RUN/containerd.sock

# Below the kernel's range for outgoing connections, beside no well-known port.
readonly ETCD_PORT=26401
readonly ETCD_PEER_PORT=26402
readonly APISERVER_PORT=26443
readonly KUBELET_PORT=26450
readonly KUBELET_HEALTH_PORT=26451
readonly PROXY_HEALTH_PORT=26452
readonly PROXY_METRICS_PORT=26453
readonly CONTROLLER_PORT=26457
readonly SCHEDULER_PORT=26459

# A Unix socket's path holds 107 bytes, and the longest one below the state folder takes 35.
readonly STATE_PATH_LIMIT=70

die() {
    echo "cluster: $*" >&2
    exit 1
}

require_root() {
    ((EUID == 0)) || die "must run as root"
}

# One `up`, `down` or `component` at a time.
take_lock() {
    ((${#STATE} <= STATE_PATH_LIMIT)) ||
        die "the path $STATE is longer than $STATE_PATH_LIMIT bytes; set CLUSTER_STATE to a shorter one"
    mkdir -p "$STATE"
    exec 9>"$STATE/lock"
    flock -w 120 9 || die "another command holds $STATE/lock"
}
