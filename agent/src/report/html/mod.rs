//! The report as one HTML file: opens from disk, loads nothing, reads on a phone and on paper.
//!
//! Everything that the template shows is prepared here as text and numbers; the template escapes all of it.

mod view;

use super::Report;
use askama::Template as _;

/// The report as an HTML page.
///
/// # Errors
/// None that the template's values can cause; the template engine's signature has one.
pub fn render(report: &Report) -> Result<String, askama::Error> {
    let mut text = view::Page::of(report).render()?;
    text.push('\n');
    Ok(text)
}

#[cfg(test)]
mod tests;
