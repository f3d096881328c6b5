//! Checks that random sequences reach everything that the planner can say and do.

use std::collections::BTreeSet;

use crds::condition::Reason;
use crds::names::ANNOTATION_REBALANCE;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Condition;

use super::render::{change, delivery};
use super::{Pass, moves, play};

/// Sequences within which everything has to occur.
const SEQUENCES: u64 = 2_000;

/// These have what is rare: with them the others are soon enough.
const RARE: [u64; 8] = [156, 180, 210, 230, 266, 299, 379, 1_048];

/// How many are played between two checks whether everything has occurred.
const STEP: usize = 25;

/// What occurred.
struct Seen {
    words: BTreeSet<String>,
    messages: BTreeSet<String>,
    /// Of [`MESSAGES`] those that no message had so far.
    unsaid: Vec<&'static str>,
}

impl Seen {
    fn note(&mut self, what: impl Into<String>) {
        self.words.insert(what.into());
    }

    /// What has not occurred so far.
    fn missing(&self) -> Vec<String> {
        // Of too many instruments no list here has enough.
        let reachable = Reason::ALL
            .iter()
            .filter(|it| **it != Reason::TooManyInstruments);
        let reasons = reachable.map(|reason| format!("reason: {reason}"));
        let words = WORDS.iter().map(|word| (*word).to_owned());
        let unseen = reasons
            .chain(words)
            .filter(|word| !self.words.contains(word));
        let unsaid = self.unsaid.iter().map(|part| format!("message: {part}"));
        unseen.chain(unsaid).collect()
    }

    fn pass(&mut self, pass: &Pass<'_>) {
        let plan = pass.plan;
        for account in &plan.accounts {
            self.note(format!("assignment: {}", delivery(&account.assignment).0));
            self.note(format!("account: {}", change(account.change)));
            self.note(format!("workload: {}", account.workload.is_some()));
            let (awaiting, expecting) = (account.awaiting, account.expecting);
            self.note(format!("awaiting {awaiting}, expecting {expecting}"));
            self.conditions("account", &account.status.conditions);
        }
        for set in &plan.sets {
            self.note(format!("set: {}", change(set.change)));
            self.conditions("set", &set.status.conditions);
            if set.status.waiting > Some(0) {
                self.note("waiting");
            }
            if set.status.assignments.len() > 1 {
                self.note("spread");
            }
        }
        for event in &plan.events {
            self.note(format!("event: {:?} {}", event.kind, event.warning));
            self.note(format!("event: {}", event.reason));
            if event.message.contains(ANNOTATION_REBALANCE) {
                self.note("rebalanced");
            }
        }
        let of_accounts = plan.accounts.iter().map(|it| &it.status.rebalance);
        let of_sets = plan.sets.iter().map(|it| &it.status.rebalance);
        for rebalance in of_accounts.chain(of_sets).flatten() {
            self.note(format!("rebalance: {:?}", rebalance.state));
        }
        if plan.lists.values().any(|list| list.suspect) {
            self.note("doubted");
        }
        self.note(format!("next: {}", plan.next.is_some()));
        if !moves::moved(pass).is_empty() {
            self.note("moved");
        }
        let assignments = plan.accounts.iter();
        for assignment in assignments.filter_map(|it| it.assignment.assignment()) {
            for it in &assignment.moves {
                let bounded = it.boundary.is_some();
                self.note(format!("move {:?}, boundary {bounded}", it.part));
            }
            if assignment.instruments.iter().any(|row| row.handover) {
                self.note("handover");
            }
        }
    }

    fn conditions(&mut self, kind: &str, conditions: &[Condition]) {
        for condition in conditions {
            let (of, reason) = (&condition.type_, &condition.reason);
            self.note(format!("{kind} {of}: {} {reason}", condition.status));
            self.note(format!("reason: {reason}"));
            if !self.messages.contains(&condition.message) {
                self.messages.insert(condition.message.clone());
                self.unsaid.retain(|part| !condition.message.contains(part));
            }
        }
    }
}

#[test]
fn sequences_reach_everything_that_the_planner_can_say() {
    let mut seen = Seen {
        words: BTreeSet::new(),
        messages: BTreeSet::new(),
        unsaid: MESSAGES.to_vec(),
    };
    let seeds: Vec<u64> = RARE.iter().copied().chain(0..SEQUENCES).collect();
    for seeds in seeds.chunks(STEP) {
        for seed in seeds {
            play(*seed, |pass| seen.pass(pass));
        }
        if seen.missing().is_empty() {
            return;
        }
    }
    panic!("these never occurred: {:#?}", seen.missing());
}

/// States, decisions and what happens, as [`Seen`] calls them.
const WORDS: &[&str] = &[
    "move From, boundary false",
    "move From, boundary true",
    "move To, boundary false",
    "move To, boundary true",
    "handover",
    "event: FailedOver",
    "event: Moved",
    "event: Rolled",
    "rebalance: Some(Planned)",
    "rebalance: Some(Moving)",
    "rebalance: Some(Done)",
    "rebalanced",
    "account Ready: True Streaming",
    "account Ready: True Idle",
    "account Ready: Unknown Pending",
    "account Ready: Unknown PodNotReady",
    "account Ready: Unknown Connecting",
    "account Ready: Unknown RedisUnavailable",
    "account Ready: False Connecting",
    "account Ready: False PodNotReady",
    "account Ready: False RedisUnavailable",
    "account Ready: False SecretMissing",
    "account Ready: False KeyMissing",
    "account Ready: False TokenExpired",
    "account Ready: False Paused",
    "account Ready: False Terminating",
    "account Ready: False DuplicateApiKey",
    "account Ready: False NameTaken",
    "account Ready: False Invalid",
    "set Ready: True Streaming",
    "set Ready: True PartiallyResolved",
    "set Ready: Unknown Pending",
    "set Ready: Unknown Connecting",
    "set Ready: Unknown InstrumentsUnavailable",
    "set Ready: Unknown NoAccount",
    "set Ready: False Connecting",
    "set Ready: False PodNotReady",
    "set Ready: False RedisUnavailable",
    "set Ready: False SecretMissing",
    "set Ready: False KeyMissing",
    "set Ready: False TokenExpired",
    "set Ready: False Stale",
    "set Ready: False NothingResolved",
    "set Ready: False ChannelConflict",
    "set Ready: False CapacityShort",
    "set Ready: False PartiallyScheduled",
    "set Ready: False NoAccount",
    "set Ready: False AccountsDisagree",
    "set Ready: False Paused",
    "set Ready: False Terminating",
    "set Ready: False Invalid",
    "account: unchanged",
    "account: refresh",
    "account: transition",
    "set: unchanged",
    "set: refresh",
    "set: transition",
    "assignment: leave",
    "assignment: in place",
    "assignment: write",
    "event: Account false",
    "event: Account true",
    "event: Set false",
    "event: Set true",
    "workload: false",
    "workload: true",
    "next: false",
    "next: true",
    "awaiting false, expecting false",
    "awaiting false, expecting true",
    "awaiting true, expecting true",
    "doubted",
    "moved",
    "spread",
    "waiting",
];

/// Parts of messages, one for each way to say something.
const MESSAGES: &[&str] = &[
    "has no room for what their forward price follows from",
    "instruments stream",
    "kubelet's next sync",
    "the ingest pod cannot use its assignment",
    "upgrade the ingest image",
    "upgrade the operator",
    "; NOPERM",
    "; StatefulSet kt-a cannot be written",
    "a connection that is lost now cannot be reopened for the time being",
    "sockets are still open",
    "has not read its Secret yet",
    "no instrument is assigned to this account",
    "ticks do not reach Redis: no connection yet",
    "ticks do not reach Redis: WRONGPASS",
    "ticks do not reach Redis: Secret login",
    "(spec.redis.secretRef is login)",
    "only the keys",
    "is not running: ImagePullBackOff",
    "the ingest pod does not answer",
    "the ingest pod does not exist: StatefulSet",
    "the ingest pod does not exist yet",
    "is not ready yet",
    "all sockets are up, but no packet has arrived yet",
    "Kite answered 429",
    "sockets are up: reset by peer",
    "is empty: add",
    "has the keys",
    "finds no value for",
    "does not exist, or lacks",
    "would have no room elsewhere",
    "has not been requested yet",
    "waiting for the first report",
    "the account cannot be read",
    "the account's assignment cannot be read",
    "mock ticks of an older set",
    "real ticks of an older set",
    "would share the channel prefix ticker:",
    "has no letter or digit",
    "is already published on this channel by another account",
    "there is no TickerAccount z",
    "matches spec.accountSelector",
    "there is no TickerAccount in this namespace: create one",
    "can be read: see the Ready condition of each",
    "differ in endpoint or mock",
    "a has not been read yet",
    "instruments that stream): new instruments",
    "502 Bad Gateway",
    "7070 has not been read yet",
    "nothing that the set selects is in the instruments list",
    "spec.exclude leaves nothing",
    "which spec.exclude holds too",
    "the nearest is NIFTY",
    " is past",
    "has no strikes from",
    "no share of BSE has derivatives",
    "can be used: see the Ready condition of each",
    "wait for room",
    "has not applied its newest assignment yet",
    "no packet of this set has arrived",
    "the newest tick arrived at",
    "no tick has arrived for more than",
    "have not sent a packet yet",
    "not in the instruments list",
    "renamed: ",
    "names that mean another contract",
    "; the instruments list of",
];
