# shellcheck shell=bash
# What containers leave on the host: shims, mounts, network names, cgroups, links to logs.
# Needs settings.sh and process.sh.

containers() {
    ctr -a "$CONTAINERD_SOCKET" -n k8s.io "$@"
}

# Ends every container of this cluster and removes its traces. Only with containerd and
# kubelet stopped; also right after a reboot, when nothing of it runs any more.
clear_containers() {
    kill_shims
    unmount_all
    remove_shared_files
    rm -rf "$RUN/containerd" "$RUN/runc" "$STATE/cni"
    remove_cgroups
}

# A shim carries the socket of its containerd, in our state folder, among its arguments.
shims() {
    local dir
    for dir in /proc/[0-9]*; do
        if tr '\0' ' ' 2>/dev/null <"$dir/cmdline" | grep -q "^[^ ]*containerd-shim.* -address $CONTAINERD_SOCKET "; then
            echo "${dir#/proc/}"
        fi
    done
}

# Killing a container's first process ends all of it, so the children of a shim are enough.
kill_shims() {
    local shim pids=()
    for shim in $(shims); do
        # shellcheck disable=SC2207 # a list of numbers
        pids+=("$shim" $(cat "/proc/$shim/task/$shim/children" 2>/dev/null || true))
    done
    ((${#pids[@]})) || return 0
    kill -KILL "${pids[@]}" 2>/dev/null || true
    wait_until 5 all_ended "${pids[@]}" || die "containers do not end: ${pids[*]}"
}

all_ended() {
    local pid
    for pid; do
        ! identity "$pid" || return 1
    done
}

# The deepest mount goes first. A dying process may hold one for a moment; it is detached.
unmount_all() {
    local target
    awk -v state="$STATE/" 'index($5, state) == 1 { print $5 }' /proc/self/mountinfo | tac |
        while read -r target; do
            target=$(printf '%b' "$target")
            umount "$target" 2>/dev/null || umount -l "$target"
        done
}

# What containerd and the network plugins keep of each container in folders all users of
# them share: the shim's socket and the network's result.
remove_shared_files() {
    local task address
    for task in "$RUN"/containerd/io.containerd.runtime.v2.task/k8s.io/*; do
        address=$(cat "$task/address" 2>/dev/null || true)
        rm -f "${address#unix://}" /var/lib/cni/results/*-"${task##*/}"-*
    done
    rm -f /var/lib/kubelet/device-plugins/kubelet.sock # this path cannot be configured
    find /var/log/containers -lname "$STATE/*" -delete 2>/dev/null || true
    remove_if_empty /run/containerd/s /run/containerd /var/lib/cni/results /var/lib/cni \
        /var/lib/kubelet/device-plugins /var/lib/kubelet /var/log/containers
}

remove_if_empty() {
    local folder
    for folder; do
        rmdir "$folder" 2>/dev/null || true
    done
}

# The kernel refuses to remove a group that still holds a process, whoever owns it.
remove_cgroups() {
    find /sys/fs/cgroup/kubepods /sys/fs/cgroup/*/kubepods -depth -type d -exec rmdir {} + 2>/dev/null || true
}
