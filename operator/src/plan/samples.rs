//! A few names out of many, for a message.

/// The maximum number of names in a message.
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
