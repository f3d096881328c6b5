//! Checks of the code itself: dependencies of packages, import circles, names that two packages
//! share, its size.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod circles;
mod imports;
mod layers;
mod market_hours;
mod modules;
mod size;
mod source;
mod type_names;
