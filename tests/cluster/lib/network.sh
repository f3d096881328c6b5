# shellcheck shell=bash disable=SC2034 # read by the files that source this one
# The bridge pods hang on, its addresses, and the host settings it needs. The node's own
# address is the bridge's, so the cluster works without any other network.
# Needs settings.sh.

# Written by this cluster's kubelet, kube-proxy and raise_bridge; given back by restore_sysctls.
readonly SYSCTLS=(
    kernel/keys/root_maxbytes
    kernel/keys/root_maxkeys
    kernel/panic
    kernel/panic_on_oops
    net/bridge/bridge-nf-call-iptables
    net/ipv4/ip_forward
    vm/overcommit_memory
    vm/panic_on_oom
)

# Sets NET (two octets) and what follows from it. The first choice is kept with the
# state: Services in etcd hold addresses of it.
choose_network() {
    NET=$(cat "$STATE/network" 2>/dev/null || free_network) ||
        die "10.201.0.0/16 to 10.220.0.0/16 are all in use"
    echo "$NET" >"$STATE/network"
    readonly NET
    readonly NODE_IP=$NET.0.1 POD_CIDR=$NET.0.0/24 SERVICE_CIDR=$NET.128.0/20
    readonly APISERVER=https://$NODE_IP:$APISERVER_PORT
}

free_network() {
    local n
    for n in {201..220}; do
        if [[ -z $(overlapping_routes "10.$n.0.0/16") ]]; then
            echo "10.$n"
            return
        fi
    done
    return 1
}

overlapping_routes() {
    ip -4 route show table all root "$1"
    ip -4 route show table all match "$1" | grep -v '^default' || true
}

raise_bridge() {
    if ip link show "$BRIDGE" >/dev/null 2>&1; then
        [[ $(ip -4 -brief address show dev "$BRIDGE") == *" $NODE_IP/24"* ]] ||
            die "$BRIDGE is another cluster's; end that one first"
    else
        [[ -z $(overlapping_routes "$NET.0.0/16") ]] ||
            die "$NET.0.0/16 is in use by now; run 'down --purge' to choose another"
        ip link add "$BRIDGE" type bridge
    fi
    ip link set "$BRIDGE" up
    ip address replace "$NODE_IP/24" dev "$BRIDGE"
    # Lets a host without a default route reach Services; kube-proxy rewrites the address.
    ip route replace "$SERVICE_CIDR" dev "$BRIDGE"
    forward_rule -C 2>/dev/null || forward_rule -I
    save_sysctls
    echo 1 >/proc/sys/net/ipv4/ip_forward
    echo 1 >/proc/sys/net/bridge/bridge-nf-call-iptables
}

remove_bridge() {
    ! ip link show "$BRIDGE" >/dev/null 2>&1 || ip link delete "$BRIDGE"
    while forward_rule -D 2>/dev/null; do :; done
    restore_sysctls
}

# forward_rule ACTION: between pods, also where the host's policy is to drop.
forward_rule() {
    iptables -w "$1" FORWARD -i "$BRIDGE" -o "$BRIDGE" -j ACCEPT
}

# Removes what kube-proxy wrote; its own --cleanup leaves chains behind.
remove_chains() {
    local family table rules
    for family in iptables ip6tables; do
        for table in nat filter mangle; do
            rules=$("$family-save" -t "$table" 2>/dev/null) || continue
            [[ $rules == *KUBE-* ]] || continue
            grep -v -e '^:KUBE-' -e '^-A KUBE-' -e '-j KUBE-' <<<"$rules" |
                "$family-restore" -w -T "$table"
        done
    done
}

save_sysctls() {
    local name
    [[ -e /proc/sys/net/bridge ]] || modprobe br_netfilter 2>/dev/null ||
        die "the kernel has no br_netfilter"
    [[ ! -e $STATE/sysctls ]] || return 0
    for name in "${SYSCTLS[@]}"; do
        echo "$name $(cat "/proc/sys/$name")"
    done >"$STATE/sysctls.new"
    mv "$STATE/sysctls.new" "$STATE/sysctls"
}

restore_sysctls() {
    local name value
    [[ -e $STATE/sysctls ]] || return 0
    while read -r name value; do
        echo "$value" >"/proc/sys/$name" || echo "cluster: /proc/sys/$name cannot be given back its $value" >&2
    done <"$STATE/sysctls"
    rm "$STATE/sysctls"
}
