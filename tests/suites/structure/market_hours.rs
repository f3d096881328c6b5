//! No hour of a market stands outside the calendar.
//!
//! Comments and tests name instants by hand; what ships asks `calendar`.

use crate::source::{PACKAGES, files, root};

/// Hours of markets, as they have been written in code.
const HOURS: [&str; 14] = [
    "09:00\"",
    "09:15",
    "15:15",
    "15:30",
    "15:35",
    "15:40",
    "23:30",
    "23:55",
    "(10, 0)",
    "(18, 0)",
    "time(9, 15",
    "time(15,",
    "time(23,",
    "19_800",
];

/// The zone of India, which is no hour of a market, has one place too.
const ZONE: (&str, &str, &str) = ("kite", "ist.rs", "19_800");

#[test]
fn no_hour_of_a_market_stands_outside_the_calendar() {
    let mut found = Vec::new();
    for package in PACKAGES.iter().filter(|it| **it != "calendar") {
        for file in files(package) {
            let path = root().join(package).join("src").join(&file.path);
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for (line, text) in (1..).zip(code.lines()) {
                let is_comment = text.trim_start().starts_with("//");
                let is_zone = |hour: &str| {
                    (*package, file.path.to_str(), hour) == (ZONE.0, Some(ZONE.1), ZONE.2)
                };
                let hour = HOURS
                    .iter()
                    .find(|hour| text.contains(**hour) && !is_zone(hour));
                if let Some(hour) = hour.filter(|_| !is_comment) {
                    found.push(format!("{}:{line}: {hour}", path.display()));
                }
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}
