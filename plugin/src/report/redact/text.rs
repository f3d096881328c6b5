//! Takes secrets out of a text: users of URLs, parameters, authorization headers.
//!
//! Pure. Owns how far each of them reaches. A password may hold any character, so nothing that could belong to one stays.

use super::REDACTED;

/// Words of parameters whose value is secret. Between two words may stand nothing, or one of [`JOINTS`].
const SECRET_PARAMETERS: [&[&str]; 8] = [
    &["api", "key"],
    &["api", "secret"],
    &["access", "token"],
    &["request", "token"],
    &["enctoken"],
    &["password"],
    &["authorization"],
    &["token"],
];

/// What may stand between the words of a name.
const JOINTS: [char; 3] = ['_', '-', ' '];

/// What may stand between a name, its separator and its value, percent-encoded.
const ENCODED_MARKS: [&str; 7] = ["%20", "%09", "%0A", "%0D", "%22", "%27", "%5C"];

/// What stands between name and value.
const SEPARATORS: [&str; 4] = ["=", ":", "%3D", "%3A"];

/// What begins the value of an authorization header.
const SCHEMES: [&str; 3] = ["token", "bearer", "basic"];

/// The most digits of an instrument's token.
const TOKEN_DIGITS: usize = 10;

/// A text without users of URLs, secret parameters and authorization headers.
pub(super) fn scrubbed(text: &str) -> String {
    let names = SECRET_PARAMETERS.iter();
    let text = names.fold(without_users(text), |text, name| {
        without_parameter(&text, name)
    });
    without_headers(&text)
}

/// `redis://user:password@host` becomes `redis://REDACTED@host`: all from the first scheme to the last `@`, because a
/// password may hold whatever else could end it.
fn without_users(text: &str) -> String {
    let schemes = ["://", "%3A%2F%2F"].into_iter();
    let starts = schemes.filter_map(|scheme| Some(find(text, scheme)? + scheme.len()));
    let Some(start) = starts.min() else {
        return text.to_owned();
    };
    let after = &text[start..];
    let ends = ["@", "%40"].into_iter();
    match ends.filter_map(|at| find_last(after, at)).max() {
        Some(end) => format!("{}{REDACTED}{}", &text[..start], &after[end..]),
        None => text.to_owned(),
    }
}

/// `token KEY:TOKEN`, as Kite's authorization header has it, and `Bearer TOKEN`.
fn without_headers(text: &str) -> String {
    let mut result = String::new();
    let mut before = String::new();
    for word in text.split_inclusive(char::is_whitespace) {
        let bare = word.trim_end_matches(char::is_whitespace);
        if bare.is_empty() {
            result.push_str(word);
            continue;
        }
        let secret = match before.as_str() {
            "token" => bare.contains(':') && !bare.ends_with(':'),
            before => SCHEMES.contains(&before),
        };
        result.push_str(if secret { REDACTED } else { bare });
        result.push_str(&word[bare.len()..]);
        let words = bare.rsplit(|c: char| !c.is_ascii_alphanumeric());
        let last = words.into_iter().find(|it| !it.is_empty());
        before = last.unwrap_or_default().to_ascii_lowercase();
    }
    result
}

/// `…api_key=x&…` becomes `…api_key=REDACTED&…`; `apiKey : x`, `"api_key":"x"` and `api_key%3Dx` too.
fn without_parameter(text: &str, name: &[&str]) -> String {
    let mut result = String::new();
    let mut rest = text;
    while let Some(at) = find_name(rest, name) {
        let (before, found) = rest.split_at(at);
        result.push_str(before);
        let Some(value) = value_of(found) else {
            rest = found;
            continue;
        };
        let (marks, value) = found.split_at(value);
        result.push_str(marks);
        let end = end_of(value, opening(marks));
        // A number is the token of an instrument.
        let number = (*name == ["token"]).then(|| digits(value)).flatten();
        let kept = number.unwrap_or(0);
        result.push_str(&value[..kept]);
        if kept == 0 && end > 0 {
            result.push_str(REDACTED);
        }
        rest = &value[if kept > 0 { kept } else { end }..];
    }
    result + rest
}

/// Where the first such name ends.
fn find_name(text: &str, words: &[&str]) -> Option<usize> {
    let (first, others) = words.split_first()?;
    let mut from = 0;
    while let Some(at) = find(&text[from..], first) {
        from += at + first.len();
        let end = others.iter().try_fold(from, |end, word| {
            let rest = &text[end..];
            let joined = rest.strip_prefix(JOINTS).unwrap_or(rest);
            starts_with(joined, word).then(|| text.len() - joined.len() + word.len())
        });
        if end.is_some() {
            return end;
        }
    }
    None
}

/// Where the value begins in what follows a name, if a separator follows.
fn value_of(text: &str) -> Option<usize> {
    let rest = without_marks(text, &[]);
    let separator = SEPARATORS.into_iter().find(|it| starts_with(rest, it))?;
    let value = without_marks(&rest[separator.len()..], &SEPARATORS);
    Some(text.len() - value.len())
}

/// A text without what stands before a value.
fn without_marks<'t>(text: &'t str, more: &[&str]) -> &'t str {
    let mark = |c: char| c.is_whitespace() || "\"'`\\+".contains(c);
    let opens = |c: char| !more.is_empty() && ">([{".contains(c);
    let mut rest = text;
    loop {
        let shorter = rest.trim_start_matches(|c| mark(c) || opens(c));
        let mut encoded = ENCODED_MARKS.iter().chain(more);
        let encoded = encoded.find(|it| starts_with(shorter, it));
        let shorter = encoded.map_or(shorter, |it| &shorter[it.len()..]);
        if shorter.len() == rest.len() {
            return rest;
        }
        rest = shorter;
    }
}

/// The quote before a value, with the number of `\` before it.
fn opening(marks: &str) -> Option<(char, usize)> {
    let quote = marks.chars().next_back().filter(|c| "\"'`".contains(*c))?;
    Some((quote, backslashes(&marks[..marks.len() - 1])))
}

fn backslashes(text: &str) -> usize {
    text.len() - text.trim_end_matches('\\').len()
}

/// Where a value ends: a quoted one at the quote that closes it, another one at whitespace or the next parameter.
fn end_of(value: &str, opening: Option<(char, usize)>) -> usize {
    // `Some("x")`, as Rust shows it.
    let wrapped = value.trim_start_matches(|c: char| c.is_ascii_alphanumeric() || c == '_');
    let inner = wrapped.strip_prefix('(').map(|it| without_marks(it, &[]));
    if let (None, Some(inner)) = (opening, inner) {
        let start = value.len() - inner.len();
        if let Some(quote) = self::opening(&value[..start]) {
            return start + end_of(inner, Some(quote));
        }
    }
    let Some((quote, escapes)) = opening else {
        let scheme = scheme(value);
        let value = &value[scheme..];
        let end = value.find(|c: char| c == '&' || c.is_whitespace());
        let ends = end.into_iter().chain(find(value, "%26"));
        return scheme + ends.min().unwrap_or(value.len());
    };
    let mut quotes = value.match_indices(quote);
    let closing = quotes.find_map(|(at, _)| {
        let before = backslashes(&value[..at]);
        (before <= escapes).then_some(at - before)
    });
    closing.unwrap_or(value.len())
}

/// Where what follows `token `, `Bearer ` or `Basic ` begins, if the value begins so.
fn scheme(value: &str) -> usize {
    let mut schemes = SCHEMES.iter();
    let found = schemes.find(|it| starts_with(value, it));
    let rest = found.map_or(value, |it| &value[it.len()..]);
    let after = rest.trim_start_matches(char::is_whitespace);
    if after.len() < rest.len() {
        value.len() - after.len()
    } else {
        0
    }
}

/// How long the number is that a value is.
fn digits(value: &str) -> Option<usize> {
    let rest = value.trim_start_matches(|c: char| c.is_ascii_digit());
    let length = value.len() - rest.len();
    let ends = rest
        .chars()
        .next()
        .is_none_or(|c| c.is_whitespace() || ",;&)]}\"'\\".contains(c));
    (ends && (1..=TOKEN_DIGITS).contains(&length)).then_some(length)
}

/// Where `part` stands in `text`, whatever its case.
fn find(text: &str, part: &str) -> Option<usize> {
    let mut windows = text.as_bytes().windows(part.len());
    windows.position(|it| it.eq_ignore_ascii_case(part.as_bytes()))
}

/// Where it stands last.
fn find_last(text: &str, part: &str) -> Option<usize> {
    let mut windows = text.as_bytes().windows(part.len());
    windows.rposition(|it| it.eq_ignore_ascii_case(part.as_bytes()))
}

fn starts_with(text: &str, part: &str) -> bool {
    let start = text.as_bytes().get(..part.len());
    start.is_some_and(|it| it.eq_ignore_ascii_case(part.as_bytes()))
}
