# shellcheck shell=bash disable=SC2034 # read by the files that source this one
# Each component: how it is started and how one knows that it works.
# Needs settings.sh, process.sh, and choose_network done.

readonly COMPONENTS=(
    etcd
    containerd
    kube-apiserver
    kube-controller-manager
    kube-scheduler
    kubelet
    kube-proxy
)

# Nothing here is beyond a proxy.
unset http_proxy https_proxy all_proxy HTTP_PROXY HTTPS_PROXY ALL_PROXY

start_etcd() {
    start etcd /usr/bin/etcd \
        --data-dir="$STATE/etcd" \
        --listen-client-urls="http://127.0.0.1:$ETCD_PORT" \
        --advertise-client-urls="http://127.0.0.1:$ETCD_PORT" \
        --listen-peer-urls="http://127.0.0.1:$ETCD_PEER_PORT" \
        --initial-advertise-peer-urls="http://127.0.0.1:$ETCD_PEER_PORT" \
        --initial-cluster="default=http://127.0.0.1:$ETCD_PEER_PORT" \
        --auto-compaction-retention=1 \
        --logger=zap
}

await_etcd() {
    wait_ready etcd 20 answers "http://127.0.0.1:$ETCD_PORT/health"
}

start_containerd() {
    start containerd /usr/bin/containerd --config "$CONFIG/containerd.toml"
}

await_containerd() {
    wait_ready containerd 20 containers version
}

start_kube-apiserver() {
    start kube-apiserver "$BIN/kube-apiserver" \
        --etcd-servers="http://127.0.0.1:$ETCD_PORT" \
        --bind-address="$NODE_IP" \
        --advertise-address="$NODE_IP" \
        --secure-port="$APISERVER_PORT" \
        --cert-dir="$PKI" \
        --token-auth-file="$PKI/tokens.csv" \
        --authorization-mode=Node,RBAC \
        --service-account-issuer=https://kubernetes.default.svc \
        --service-account-key-file="$PKI/service-accounts.key" \
        --service-account-signing-key-file="$PKI/service-accounts.key" \
        --service-cluster-ip-range="$SERVICE_CIDR" \
        --kubelet-preferred-address-types=InternalIP,Hostname \
        --allow-privileged \
        --audit-policy-file="$CONFIG/audit.yaml" \
        --audit-log-path="$LOGS/audit.log" \
        --audit-log-maxsize=100 \
        --audit-log-maxbackup=1 \
        --profiling=false \
        --shutdown-watch-termination-grace-period=1s
}

await_kube-apiserver() {
    wait_ready kube-apiserver 60 answers "$APISERVER/readyz"
}

start_kube-controller-manager() {
    start kube-controller-manager "$BIN/kube-controller-manager" \
        --kubeconfig="$KUBECONFIG_FILE" \
        --bind-address=127.0.0.1 \
        --secure-port="$CONTROLLER_PORT" \
        --cert-dir="$PKI/kube-controller-manager" \
        --root-ca-file="$PKI/apiserver.crt" \
        --service-account-private-key-file="$PKI/service-accounts.key" \
        --flex-volume-plugin-dir="$STATE/opt/volume" \
        --leader-elect=false
}

await_kube-controller-manager() {
    wait_ready kube-controller-manager 30 answers "https://127.0.0.1:$CONTROLLER_PORT/healthz"
}

start_kube-scheduler() {
    start kube-scheduler "$BIN/kube-scheduler" \
        --kubeconfig="$KUBECONFIG_FILE" \
        --bind-address=127.0.0.1 \
        --secure-port="$SCHEDULER_PORT" \
        --cert-dir="$PKI/kube-scheduler" \
        --leader-elect=false
}

await_kube-scheduler() {
    wait_ready kube-scheduler 30 answers "https://127.0.0.1:$SCHEDULER_PORT/healthz"
}

start_kubelet() {
    start kubelet "$BIN/kubelet" \
        --config="$CONFIG/kubelet.yaml" \
        --kubeconfig="$KUBECONFIG_FILE" \
        --root-dir="$STATE/kubelet" \
        --cert-dir="$PKI/kubelet" \
        --hostname-override="$NODE" \
        --node-ip="$NODE_IP"
}

await_kubelet() {
    wait_ready kubelet 30 answers "http://127.0.0.1:$KUBELET_HEALTH_PORT/healthz"
}

start_kube-proxy() {
    start kube-proxy "$BIN/kube-proxy" --config="$CONFIG/kube-proxy.yaml"
}

await_kube-proxy() {
    wait_ready kube-proxy 30 answers "http://127.0.0.1:$PROXY_HEALTH_PORT/healthz"
}

answers() {
    curl --silent --fail --insecure --max-time 2 --output /dev/null "$1"
}

# Writes what the components read; a file whose content is right is left as it is.
write_config() {
    local file
    mkdir -p "$CONFIG/cni"
    for file in audit.yaml containerd.toml kubelet.yaml kube-proxy.yaml; do
        fill_in "$CLUSTER_DIR/config/$file" "$CONFIG/$file"
    done
    fill_in "$CLUSTER_DIR/config/bridge.conflist" "$CONFIG/cni/bridge.conflist"
    write_credentials
}

# fill_in TEMPLATE FILE: replaces each @NAME@ by the setting of that name.
fill_in() {
    local text name
    text=$(<"$1")
    while [[ $text =~ @([A-Z_]+)@ ]]; do
        name=${BASH_REMATCH[1]}
        text=${text//@$name@/${!name}}
    done
    echo "$text" >"$2"
}

# An administrator's token and the key of service accounts.
write_credentials() (
    umask 077
    mkdir -p "$PKI"
    [[ -s $PKI/service-accounts.key ]] || openssl genrsa -out "$PKI/service-accounts.key" 2048 2>/dev/null
    [[ -s $PKI/tokens.csv ]] || echo "$(openssl rand -hex 16),admin,admin,system:masters" >"$PKI/tokens.csv"
)

# Only once the API server is ready: its certificate is its own authority.
write_kubeconfig() (
    umask 077
    cat >"$KUBECONFIG_FILE.new" <<EOF
apiVersion: v1
kind: Config
current-context: kite
clusters:
- name: kite
  cluster:
    server: $APISERVER
    certificate-authority-data: $(base64 -w 0 "$PKI/apiserver.crt")
users:
- name: admin
  user:
    token: $(cut -d, -f1 "$PKI/tokens.csv")
contexts:
- name: kite
  context:
    cluster: kite
    user: admin
EOF
    mv "$KUBECONFIG_FILE.new" "$KUBECONFIG_FILE"
)
