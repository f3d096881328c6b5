//! What to do about a command that Redis refuses, by what it says.
//!
//! Owns the words. Pure.

/// What one server of a cluster answers to who takes it for a Redis of its own.
const CLUSTERED: [&str; 4] = ["MOVED", "ASK", "TRYAGAIN", "CLUSTERDOWN"];

/// About keys that are refused with `text`.
pub(super) fn about_keys(text: &str) -> String {
    let code = code(text);
    if CLUSTERED.contains(&code) {
        // Without the text, which names another slot each time.
        return "redis is a node of a Redis Cluster and refuses most keys: name it in spec.redis.cluster.nodes instead of \
                a redis URL"
            .to_owned();
    }
    let advice = match code {
        "NOPERM" => {
            "let its user write them, or disable publish.lastValue and publish.stream of the sets"
        }
        "OOM" => "its memory is full: raise maxmemory, or set a maxmemory-policy that makes room",
        "MISCONF" => {
            "it cannot save to its disk: see to that, or to its stop-writes-on-bgsave-error"
        }
        "WRONGTYPE" => {
            "something else lies at PREFIX:last or PREFIX:stream: remove it, or choose another publish.channelPrefix"
        }
        _ => return format!("redis refuses keys of last values or streams: {text}"),
    };
    format!("redis refuses keys of last values or streams ({text}): {advice}")
}

/// About messages that are refused with `text`.
pub(super) fn about_ticks(text: &str) -> String {
    match code(text) {
        "NOPERM" => format!(
            "redis refuses what is published: {text}: let its user PUBLISH (or SPUBLISH) on every channel of the sets"
        ),
        _ => format!("redis refuses what is published: {text}"),
    }
}

fn code(text: &str) -> &str {
    text.split(' ').next().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_what_is_wrong() {
        for (text, advice) in [
            (
                "NOPERM No permissions to access a key",
                "let its user write",
            ),
            ("OOM command not allowed", "maxmemory"),
            ("MISCONF Redis is configured to save", "disk"),
            ("WRONGTYPE Operation against a key", "channelPrefix"),
        ] {
            let said = about_keys(text);
            assert!(said.contains(text) && said.contains(advice), "{said}");
        }
        let clustered = about_keys("MOVED 1 127.0.0.1:7");
        assert!(clustered.contains("spec.redis.cluster.nodes") && !clustered.contains("127"));
        let other = about_keys("ERR unknown");
        assert!(other.ends_with(": ERR unknown"), "{other}");
    }

    #[test]
    fn messages_need_channels() {
        let said = about_ticks("NOPERM this user has no permissions to access one of the channels");
        assert!(said.contains("every channel"), "{said}");
        assert!(about_ticks("ERR x").ends_with("published: ERR x"));
    }
}
