//! Takes secrets out of texts that are shown: problems, and the lines of a file that a problem underlines.
//!
//! Problems are written so that they carry no secret in the first place. This is the second net, for what a user put where
//! none was expected (`ulr: postgres://user:password@…`), and the only one for the source line that a terminal shows.

/// Words at the end of a key whose value is hidden.
const KEYS: [&str; 9] =
    ["password", "passwd", "pwd", "secret", "token", "encrypt_with", "api_key", "passphrase", "credentials"];

/// The text with every secret overwritten by `*`, byte for byte, so that places in it stay true.
///
/// Hidden are: whatever stands between `://` and the last `@` of a line up to the user's name, passwords in a URL's query,
/// values of keys that are named like secrets, and the given texts wherever they occur (from four bytes on).
pub fn mask(text: &str, secrets: &[&str]) -> String {
    let mut bytes = text.as_bytes().to_vec();
    let mut start = 0;
    for line in text.split_inclusive('\n') {
        mask_line(line, start, &mut bytes);
        start += line.len();
    }
    for secret in secrets.iter().filter(|secret| secret.len() >= 4) {
        for (at, _) in text.match_indices(*secret).filter(|(at, _)| !is_in_a_word(text, *at, secret)) {
            hide(&mut bytes, at, at + secret.len());
        }
    }
    // only whole characters were overwritten
    String::from_utf8(bytes).unwrap_or_else(|_| "***".to_owned())
}

/// A secret that is a word is no part of a longer one: our own sentences stay readable.
fn is_in_a_word(text: &str, at: usize, secret: &str) -> bool {
    let before = text.get(..at).and_then(|before| before.chars().next_back());
    let after = text.get(at + secret.len()..).and_then(|after| after.chars().next());
    secret.chars().all(char::is_alphabetic) && [before, after].into_iter().flatten().any(char::is_alphabetic)
}

fn hide(bytes: &mut [u8], from: usize, to: usize) {
    for byte in bytes.get_mut(from..to).into_iter().flatten().filter(|byte| **byte != b'\n') {
        *byte = b'*';
    }
}

fn mask_line(line: &str, start: usize, bytes: &mut [u8]) {
    if let Some(scheme) = line.find("://") {
        let authority = scheme + 3;
        if let Some(at) = line.rfind('@').filter(|at| *at > authority).or_else(|| cut(line, authority)) {
            // the user's name may be shown, what follows its colon may not
            let user = line.get(authority..at).and_then(|user| user.find(':'));
            if let Some(colon) = user {
                hide(bytes, start + authority + colon + 1, start + at);
            }
        }
    }
    let lower = line.to_ascii_lowercase();
    for key in KEYS {
        for (at, _) in lower.match_indices(key) {
            let after = at + key.len();
            let Some(rest) = lower.get(after..) else { continue };
            let value = rest.trim_start_matches(['"', '\'', ' ', '\t']);
            let Some(value) = value.strip_prefix([':', '=']) else { continue };
            let value = value.trim_start();
            let begin = after + (rest.len() - value.len());
            let in_url = rest.starts_with('=');
            let length =
                if in_url { value.find(['&', ' ', '\n', '"', '\'', '`']) } else { value.find(['\n', '\r', '`']) };
            let length = length.unwrap_or(value.len());
            if value.get(..length) != Some("null") {
                hide(bytes, start + begin, start + begin + length);
            }
        }
    }
}

/// Where a text was cut behind a place: a password may have stood there, and the `@` behind it not any more.
fn cut(line: &str, behind: usize) -> Option<usize> {
    let mark = '…';
    let ends = |at: usize| {
        line.get(at + mark.len_utf8()..).is_none_or(|rest| rest.is_empty() || rest.starts_with(['`', ';', '\n']))
    };
    line.match_indices(mark).map(|(at, _)| at).find(|at| *at > behind && ends(*at))
}

#[cfg(test)]
mod tests {
    use super::mask;

    #[test]
    fn secrets_are_overwritten_in_place() {
        for (text, expected) in [
            ("url: postgres://u:pw@h/db", "url: postgres://u:**@h/db"),
            ("url: postgres://u@h/db # a@b", "url: postgres://u@h/db # a@b"),
            ("ulr: \"postgres://u:p@w:x/y@h/db\"\nx: 1", "ulr: \"postgres://u:*******@h/db\"\nx: 1"),
            ("url: postgres://h/db?user=u&password=pw&x=1", "url: postgres://h/db?user=u&password=**&x=1"),
            ("{ \"password\": pw }", "{ \"password\": ****"),
            ("db_password: hunter2\nb: c", "db_password: *******\nb: c"),
            ("encrypt_with: null", "encrypt_with: null"),
            ("a: planted", "a: *******"),
            ("a: implanted, replanted; planted", "a: implanted, replanted; *******"),
            ("no secret here", "no secret here"),
            ("url: postgres://u:pä@h", "url: postgres://u:***@h"),
            ("unknown key: `postgres://u:hunte…`; allowed: a", "unknown key: `postgres://u:*****…`; allowed: a"),
            ("one of: `http://h/d`; allowed: `{ url: … }`", "one of: `http://h/d`; allowed: `{ url: … }`"),
        ] {
            let masked = mask(text, &["planted"]);
            assert_eq!(masked, expected);
            assert_eq!(masked.len(), text.len(), "{text}");
        }
    }
}
