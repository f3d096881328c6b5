//! A few names out of many, for a message.

/// How many names a message has.
pub(crate) const SHOWN: usize = 3;

/// The first few names.
pub(crate) fn list(samples: &[String]) -> String {
    let mut shown = samples
        .iter()
        .take(SHOWN)
        .map(String::as_str)
        .collect::<Vec<_>>()
        .join(", ");
    if samples.len() > SHOWN {
        shown.push_str(", …");
    }
    shown
}
