//! A network between the ingestor and the rest of the stage that can fail silently.
//!
//! The ingestor runs in its own network namespace, with two paths to the test. One goes through a
//! router, a second namespace, that can lose everything or be slow: to both ends that looks like a
//! remote failure. The other path never fails, for what the test has to observe meanwhile. A
//! namespace lasts as long as a process that waits for input, so that nothing stays behind, even
//! after a test that was killed.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

/// Addresses are 198.18.slot.0/24, a range for such trials; a slot is taken by whoever makes a
/// device with its name first.
const SLOTS: u8 = 255;

/// The way that can fail: this end, the two of the router, the far end.
const HERE: u8 = 1;
const ROUTER_NEAR: u8 = 2;
const ROUTER_FAR: u8 = 5;
const FAR: u8 = 6;

/// The way that never fails: this end, and the far end.
const HERE_ASIDE: u8 = 9;
const FAR_ASIDE: u8 = 10;

/// What the router loses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lost {
    Everything,
    /// What goes to the ingestor.
    Answers,
}

pub struct Network {
    slot: u8,
    router: Namespace,
    far: Namespace,
}

impl Network {
    pub fn new() -> Self {
        let (router, far) = (Namespace::new(), Namespace::new());
        let slot = (0..SLOTS).find(|slot| is_taken_now(*slot, &far));
        let slot = slot.expect("a network of these tests is free");
        let network = Self { slot, router, far };
        let (near, aside) = (near_of(slot), aside_of(slot));
        let [
            here,
            router_near,
            router_far,
            far_end,
            here_aside,
            far_aside,
        ] = [HERE, ROUTER_NEAR, ROUTER_FAR, FAR, HERE_ASIDE, FAR_ASIDE]
            .map(|host| network.address(host));
        let (router_pid, far_pid) = (network.router.pid(), network.far.pid());
        batch(
            None,
            &format!(
                "link add {near} type veth peer name near netns {router_pid}
                 addr add {here}/30 dev {near}
                 addr add {here_aside}/30 dev {aside}
                 link set {near} up
                 link set {aside} up
                 route add {far_end} via {router_near}"
            ),
        );
        batch(
            Some(&network.router),
            &format!(
                "link add far type veth peer name path netns {far_pid}
                 addr add {router_near}/30 dev near
                 addr add {router_far}/30 dev far
                 link set near up
                 link set far up"
            ),
        );
        batch(
            Some(&network.far),
            &format!(
                "addr add {far_end}/30 dev path
                 addr add {far_aside}/30 dev aside
                 link set path up
                 link set aside up
                 route add {here} via {router_far}"
            ),
        );
        network.heal();
        network
    }

    /// A command that runs in this network.
    pub fn command(&self, program: &str) -> tokio::process::Command {
        let mut command = tokio::process::Command::new("nsenter");
        command.args(self.far.enter()).arg(program);
        command
    }

    /// The address of the test on the path that can fail.
    pub fn here(&self) -> String {
        self.address(HERE)
    }

    /// The address of the test on the other path.
    pub fn here_aside(&self) -> String {
        self.address(HERE_ASIDE)
    }

    /// The address of the ingestor on the path that never fails.
    pub fn far(&self) -> String {
        self.address(FAR_ASIDE)
    }

    /// Loses every packet from now on, silently: neither a router that does not forward nor a black
    /// hole sends an error.
    pub fn cut(&self, lost: Lost) {
        match lost {
            Lost::Everything => self.forward(false),
            Lost::Answers => batch(
                Some(&self.router),
                &format!("route add blackhole {}", self.address(FAR)),
            ),
        }
    }

    /// The end of what [`Network::cut`] did.
    pub fn heal(&self) {
        self.forward(true);
        // There may be none.
        let hole = format!("ip route del blackhole {} || true", self.address(FAR));
        run(self.router.command("sh").args(["-c", &hole]), "");
    }

    /// Lets so many bits a second go from the ingestor to here, with a queue as short as a switch's.
    pub fn slow_down(&self, bits: u32) {
        let rate = format!("{bits}bit");
        let mut tc = self.router.command("tc");
        tc.args(["qdisc", "replace", "dev", "near", "root", "tbf"]);
        run(
            tc.args(["rate", &rate, "burst", "32kb", "latency", "50ms"]),
            "",
        );
    }

    pub fn speed_up(&self) {
        let mut tc = self.router.command("tc");
        run(tc.args(["qdisc", "del", "dev", "near", "root"]), "");
    }

    /// Bytes that the system at the ingestor's end still has to send, of the connection with the most.
    pub fn unsent(&self) -> u64 {
        let mut cat = self.far.command("cat");
        let output = cat.arg("/proc/net/tcp").output().unwrap();
        let table = String::from_utf8(output.stdout).unwrap();
        let queues = table.lines().skip(1).map(|line| {
            let queues = line.split_whitespace().nth(4).unwrap();
            u64::from_str_radix(queues.split(':').next().unwrap(), 16).unwrap()
        });
        queues.max().unwrap_or_default()
    }

    fn forward(&self, on: bool) {
        let set = format!("echo {} >/proc/sys/net/ipv4/ip_forward", u8::from(on));
        run(self.router.command("sh").args(["-c", &set]), "");
    }

    fn address(&self, host: u8) -> String {
        format!("198.18.{}.{host}", self.slot)
    }
}

impl Drop for Network {
    /// A namespace outlives its processes while a connection in it still hopes for an answer, and its
    /// devices would stay for as long.
    fn drop(&mut self) {
        for device in [near_of(self.slot), aside_of(self.slot)] {
            let status = Command::new("ip").args(["link", "del", &device]).status();
            drop(status);
        }
    }
}

fn near_of(slot: u8) -> String {
    format!("kite{slot}n")
}

fn aside_of(slot: u8) -> String {
    format!("kite{slot}")
}

/// Makes the second path, which takes the slot; `false` if the slot is in use.
fn is_taken_now(slot: u8, far: &Namespace) -> bool {
    let pid = far.pid().to_string();
    let output = Command::new("ip")
        .args(["link", "add", &aside_of(slot), "type", "veth"])
        .args(["peer", "name", "aside", "netns", &pid])
        .output()
        .unwrap_or_else(|error| needs(&error.to_string()));
    let said = String::from_utf8_lossy(&output.stderr);
    if !output.status.success() && !said.contains("File exists") {
        needs(&said);
    }
    output.status.success()
}

/// A network of its own, and the process that it lasts as long as.
struct Namespace {
    holder: Child,
}

impl Namespace {
    fn new() -> Self {
        let mut holder = Command::new("unshare")
            .args(["--net", "cat"])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::inherit())
            .spawn()
            .unwrap_or_else(|error| needs(&error.to_string()));
        // It repeats what it reads: then it is where it should be.
        let asked = holder.stdin.as_mut().unwrap().write_all(b"there?\n");
        let mut answer = String::new();
        let mut answers = BufReader::new(holder.stdout.as_mut().unwrap());
        let read = answers.read_line(&mut answer);
        if asked.is_err() || read.is_err() || answer != "there?\n" {
            needs("unshare failed");
        }
        Self { holder }
    }

    fn pid(&self) -> u32 {
        self.holder.id()
    }

    fn enter(&self) -> [String; 2] {
        let pid = self.pid();
        [format!("--net=/proc/{pid}/ns/net"), "--".to_owned()]
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new("nsenter");
        command.args(self.enter()).arg(program);
        command
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        drop(self.holder.kill());
        drop(self.holder.wait());
    }
}

/// Runs commands of `ip`, one per line.
fn batch(within: Option<&Namespace>, commands: &str) {
    let mut ip = within.map_or_else(|| Command::new("ip"), |namespace| namespace.command("ip"));
    run(ip.args(["-batch", "-"]), commands);
}

fn run(command: &mut Command, input: &str) {
    let mut child = command
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap_or_else(|error| needs(&error.to_string()));
    let written = child.stdin.take().unwrap().write_all(input.as_bytes());
    let output = child.wait_with_output().unwrap();
    if written.is_err() || !output.status.success() {
        needs(&String::from_utf8_lossy(&output.stderr));
    }
}

fn needs(error: &str) -> ! {
    let error = error.trim();
    panic!(
        "this test needs network namespaces: run it as root on Linux, with ip and tc of iproute2 and unshare and nsenter \
         of util-linux ({error})"
    );
}
