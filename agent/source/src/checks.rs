//! Columns that CHECK constraints are about, out of the text by which a table was made: some databases tell it nowhere else.

/// How a quote stands in a text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Escapes {
    /// Twice.
    Doubled,
    /// Twice, or behind a backslash.
    Backslashes,
}

/// A piece of SQL that matters here.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Token {
    /// A name, or a word of the language.
    Word(String),
    Open,
    Close,
}

/// Words of each `CHECK (…)`: names of columns are among them.
pub(crate) fn conditions(sql: &str, escapes: Escapes) -> Vec<Vec<String>> {
    let tokens = tokens(sql, escapes);
    let mut conditions = Vec::new();
    for (at, token) in tokens.iter().enumerate() {
        let is_check = matches!(token, Token::Word(word) if word.eq_ignore_ascii_case("check"));
        if !is_check || tokens.get(at + 1) != Some(&Token::Open) {
            continue;
        }
        let (mut depth, mut words) = (0_u32, Vec::new());
        for token in tokens.iter().skip(at + 1) {
            match token {
                Token::Open => depth += 1,
                Token::Close => depth = depth.saturating_sub(1),
                Token::Word(word) => words.push(word.clone()),
            }
            if depth == 0 {
                break;
            }
        }
        conditions.push(words);
    }
    conditions
}

fn tokens(sql: &str, escapes: Escapes) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = sql.chars().peekable();
    while let Some(c) = rest.next() {
        match c {
            '(' => tokens.push(Token::Open),
            ')' => tokens.push(Token::Close),
            '\'' => drop(quoted(&mut rest, '\'', escapes)),
            '"' | '`' => tokens.push(Token::Word(quoted(&mut rest, c, Escapes::Doubled))),
            '[' => tokens.push(Token::Word(quoted(&mut rest, ']', Escapes::Doubled))),
            '-' if rest.peek() == Some(&'-') => while rest.next().is_some_and(|c| c != '\n') {},
            '/' if rest.peek() == Some(&'*') => {
                let mut before = ' ';
                rest.next();
                for c in rest.by_ref() {
                    if before == '*' && c == '/' {
                        break;
                    }
                    before = c;
                }
            }
            c if c.is_alphanumeric() || c == '_' => {
                let mut word = String::from(c);
                while let Some(c) = rest.next_if(|c| c.is_alphanumeric() || matches!(c, '_' | '$')) {
                    word.push(c);
                }
                tokens.push(Token::Word(word));
            }
            _ => {}
        }
    }
    tokens
}

/// What stands up to the closing quote, which is doubled where it is meant itself.
fn quoted(rest: &mut std::iter::Peekable<std::str::Chars<'_>>, close: char, escapes: Escapes) -> String {
    let mut text = String::new();
    while let Some(c) = rest.next() {
        if c == '\\' && escapes == Escapes::Backslashes {
            text.extend(rest.next());
            continue;
        }
        if c == close && (close == ']' || rest.next_if_eq(&close).is_none()) {
            break;
        }
        text.push(c);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn conditions_are_found_wherever_they_stand() {
        let sql = "CREATE TABLE t (id INTEGER PRIMARY KEY, -- CHECK (no)\n a INT CHECK (a > 0 AND a < max(1, 9)),
            \"odd \"\" name\" TEXT DEFAULT 'CHECK (b)', /* CHECK (c) */ [d e] INT,
            CONSTRAINT both check([d e] <= `f`), g TEXT)";
        assert_eq!(
            conditions(sql, Escapes::Doubled),
            [vec!["a", "0", "AND", "a", "max", "1", "9"], vec!["d e", "f"]]
                .map(|words| words.into_iter().map(str::to_owned).collect::<Vec<String>>())
        );
        assert!(conditions("CREATE TABLE t (checked INT, \"check\" INT)", Escapes::Doubled).is_empty());
        let of_mysql = "CREATE TABLE `t` (`a` int DEFAULT 'it\\'s CHECK (b)' CHECK (`a` > 0 and `c` <> '\\\\'))";
        assert_eq!(conditions(of_mysql, Escapes::Backslashes), [["a", "0", "and", "c"]]);
    }
}
