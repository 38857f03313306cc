//! Events of OpenLineage that go out: for each migration, each check, and what the lineage of a source says.
//!
//! Source of the forms: OpenLineage 2-0-2 and its facets (spec/ of OpenLineage/OpenLineage); tests hold every facet against its own schema.
//! The text of statements is not among them: it has literals.

mod event;
mod facet;
mod send;

pub(crate) use event::{Places, dataset_event, events};
pub(crate) use send::Sender;
