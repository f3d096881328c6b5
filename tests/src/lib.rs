//! The harness for tests with real parts: Redis, the simulator, the programs.
//!
//! Owns starting, ending and watching them. Each part has its own loopback port, logs into a folder
//! of the test, and is ended with the test, by its process id. Tests wait for a condition, never
//! for a time.

pub mod api_proxy;
pub mod cluster;
pub mod condition;
pub mod documents;
pub mod gateway;
pub mod half_open;
pub mod local;
pub mod login_page;
pub mod operator;
pub mod process;
pub mod proxy_server;
pub mod redis_server;
pub mod sent_packets;
pub mod simulator;
pub mod tally;
pub mod tick_socket;
pub mod ticks;

pub use api_proxy::ApiProxy;
pub use cluster::Cluster;
pub use condition::eventually;
pub use gateway::Gateway;
pub use half_open::HalfOpenProxy;
pub use local::Local;
pub use operator::Operator;
pub use process::Program;
pub use proxy_server::ProxyServer;
pub use redis_server::RedisServer;
pub use simulator::Simulator;
pub use tally::Tally;
pub use tick_socket::TickSocket;
pub use ticks::Ticks;
