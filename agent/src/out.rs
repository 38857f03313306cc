//! Printing to standard output, where a reader that has gone away (`| head`) is no failure.

/// As `print!`, and no panic where nobody reads any more.
macro_rules! out {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        write!(std::io::stdout().lock(), $($text)*).ok();
    }};
}

/// As `println!`, and no panic where nobody reads any more.
macro_rules! outln {
    ($($text:tt)*) => {{
        use std::io::Write as _;
        writeln!(std::io::stdout().lock(), $($text)*).ok();
    }};
}
