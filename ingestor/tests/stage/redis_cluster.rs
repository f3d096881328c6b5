//! A real Redis Cluster: masters that share the slots, and replicas.

use super::redis_server::{RedisServer, free_port};

const SLOTS: usize = 16_384;

pub struct RedisCluster {
    pub nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// `masters` with as many slots each, and a replica of the first, which has slot 0.
    pub async fn start(masters: usize) -> Self {
        let mut nodes = Vec::new();
        let mut buses = Vec::new();
        for _ in 0..=masters {
            let (port, bus) = (free_port().await, free_port().await);
            let text = bus.to_string();
            let settings = [
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "1000",
                "--cluster-port",
                &text,
            ];
            nodes.push(RedisServer::start_with(port, &settings).await);
            buses.push(text);
        }
        for (number, node) in nodes.iter().enumerate() {
            let epoch = (number + 1).to_string();
            node.command(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch]).await;
            if number < masters {
                let first = (SLOTS * number).div_ceil(masters).to_string();
                let last = ((SLOTS * (number + 1)).div_ceil(masters) - 1).to_string();
                node.command(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                    .await;
            }
            let port = node.port().to_string();
            let bus = &buses[number];
            nodes[0]
                .command(&["CLUSTER", "MEET", "127.0.0.1", &port, bus])
                .await;
        }
        let cluster = Self { nodes };
        cluster.knows_all(masters + 1).await;
        let first = cluster.id(0).await;
        let replica = &cluster.nodes[masters];
        replica.command(&["CLUSTER", "REPLICATE", &first]).await;
        replica
            .answers(&["ROLE"], |role| role.contains("connected"))
            .await;
        cluster
    }

    async fn knows_all(&self, count: usize) {
        for node in &self.nodes {
            let known = format!("cluster_known_nodes:{count}");
            node.answers(&["CLUSTER", "INFO"], |info| {
                info.contains(&known) && info.contains("cluster_state:ok")
            })
            .await;
        }
    }

    /// A node to start from.
    pub fn url(&self, path: &str) -> String {
        let nodes = self.nodes.iter();
        let nodes = nodes.map(|node| format!("127.0.0.1:{}", node.port()));
        let nodes: Vec<String> = nodes.collect();
        format!("redis-cluster://{}{path}", nodes.join(","))
    }

    async fn id(&self, node: usize) -> String {
        let id = self.nodes[node].command(&["CLUSTER", "MYID"]).await;
        id.trim().to_owned()
    }

    pub async fn slot(&self, key: &str) -> usize {
        let slot = self.nodes[0].command(&["CLUSTER", "KEYSLOT", key]).await;
        slot.trim().parse().unwrap()
    }

    /// The position of the master that has had a key since the start.
    pub async fn owner(&self, key: &str) -> usize {
        self.slot(key).await * (self.nodes.len() - 1) / SLOTS
    }

    /// Moves the slot of `key`, with what is in it, from one master to another.
    pub async fn move_slot(&self, key: &str, from: usize, to: usize) {
        let slot = self.slot(key).await.to_string();
        let (old, new) = (self.id(from).await, self.id(to).await);
        let (source, target) = (&self.nodes[from], &self.nodes[to]);
        target
            .command(&["CLUSTER", "SETSLOT", &slot, "IMPORTING", &old])
            .await;
        source
            .command(&["CLUSTER", "SETSLOT", &slot, "MIGRATING", &new])
            .await;
        let port = target.port().to_string();
        source
            .command(&["MIGRATE", "127.0.0.1", &port, key, "0", "5000"])
            .await;
        for node in [target, source] {
            node.command(&["CLUSTER", "SETSLOT", &slot, "NODE", &new])
                .await;
        }
    }

    /// Runs a command about a key on the node that has it.
    pub async fn command(&self, arguments: &[&str]) -> String {
        let arguments: Vec<&str> = [&["-c"], arguments].concat();
        last_line(&self.nodes[1].command(&arguments).await).to_owned()
    }
}

/// The answer itself: where the client was sent on to stands before it.
pub fn last_line(answer: &str) -> &str {
    answer.lines().last().unwrap_or_default()
}
