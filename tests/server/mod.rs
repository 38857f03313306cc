//! Servers that the tests start for themselves.

pub(crate) mod postgres;
