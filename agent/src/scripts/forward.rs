//! What goes forward of a file that holds both ways.

/// A text with the lines that go back left empty, so that each other line stays where it was.
pub(super) fn forward(text: &str) -> String {
    let mut forward = true;
    let mut out = String::with_capacity(text.len());
    for line in text.split_inclusive('\n') {
        forward = mark_of(line).unwrap_or(forward);
        if forward {
            out.push_str(line);
        } else if line.ends_with('\n') {
            out.push('\n');
        }
    }
    out
}

/// Whether a text has a part that goes back.
pub(super) fn goes_back(text: &str) -> bool {
    text.lines().any(|line| mark_of(line) == Some(false))
}

/// Whether a line says that what follows goes forward, or back: goose, dbmate, node-pg-migrate.
fn mark_of(line: &str) -> Option<bool> {
    let comment = line.trim().strip_prefix("--")?;
    let words: Vec<String> = comment.split_whitespace().take(2).map(str::to_lowercase).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["+goose", "up"] | ["up", "migration"] | ["migrate:up", ..] => Some(true),
        ["+goose", "down"] | ["down", "migration"] | ["migrate:down", ..] => Some(false),
        _ => None,
    }
}

/// The changes of a sqitch plan, in order.
pub(super) fn planned(plan: &str) -> Vec<String> {
    let lines = plan.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with(['%', '#', '@']));
    let name = |line: &str| line.split_whitespace().next().map(str::to_owned);
    let mut all: Vec<String> = Vec::new();
    for name in lines.filter_map(name) {
        // one that is reworked runs by its last form
        all.retain(|own| *own != name);
        all.push(name);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_goes_back_is_left_out_and_the_rest_stays_in_its_lines() {
        let goose = "-- +goose Up\nA;\n-- +goose Down\nB;\n-- +goose Up\nC;";
        assert_eq!(forward(goose), "-- +goose Up\nA;\n\n\n-- +goose Up\nC;");
        assert_eq!(forward("-- migrate:up\nA;\n-- migrate:down transaction:false\nB;\n"), "-- migrate:up\nA;\n\n\n");
        assert_eq!(forward("-- Up Migration\nA;\n\n-- Down Migration\nB;"), "-- Up Migration\nA;\n\n\n");
        assert_eq!(forward("A; -- migrate:down\nB;"), "A; -- migrate:down\nB;");
    }
}
