//! A few names out of many, for a message.

/// The maximum number of names in a message.
pub(crate) const SHOWN: usize = 3;

/// The first few names.
pub(crate) fn list(samples: &[impl AsRef<str>]) -> String {
    let more = (samples.len() > SHOWN).then_some("…");
    let shown = samples.iter().take(SHOWN).map(AsRef::as_ref);
    shown.chain(more).collect::<Vec<_>>().join(", ")
}
