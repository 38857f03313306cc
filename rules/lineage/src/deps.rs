//! What a value is made from: the algebra that resolvers share.

use fieldmark_model::lineage::Kind;

/// A source column, as its resolver numbers them.
pub(crate) type Source = u32;

/// One part of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Dep {
    pub(crate) source: Source,
    pub(crate) kind: Kind,
    pub(crate) masked: bool,
}

/// How a value takes part in another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Use {
    pub(crate) kind: Kind,
    pub(crate) masked: bool,
}

impl Use {
    /// As it is.
    pub(crate) const AS_IS: Self = Self { kind: Kind::Identity, masked: false };

    /// As what decides something.
    pub(crate) fn deciding(kind: Kind) -> Self {
        Self { kind, masked: false }
    }

    /// The use of what is inside something that is used so: `kind` says how it is inside.
    #[must_use]
    pub(crate) fn within(self, kind: Kind) -> Self {
        Self { kind: kind.through(self.kind), masked: self.masked && kind.is_direct() }
    }

    /// The same of what goes into a digest, or is counted.
    #[must_use]
    pub(crate) fn masked(self) -> Self {
        Self { masked: self.kind.is_direct(), ..self }
    }
}

/// What a value is made from: each source and kind once, in order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Deps(Vec<Dep>);

impl Deps {
    /// The value of a column itself.
    pub(crate) fn column(source: Source) -> Self {
        Self(vec![Dep { source, kind: Kind::Identity, masked: false }])
    }

    /// How many parts there are.
    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = Dep> + '_ {
        self.0.iter().copied()
    }

    /// Adds one part. A part that is masked in one way and plain in another is plain.
    pub(crate) fn add(&mut self, dep: Dep) {
        match self.0.binary_search_by_key(&(dep.source, dep.kind), |own| (own.source, own.kind)) {
            Ok(at) => {
                if let Some(own) = self.0.get_mut(at) {
                    own.masked &= dep.masked;
                }
            }
            Err(at) => self.0.insert(at, dep),
        }
    }

    /// Adds all parts of a value that takes part in this one so.
    pub(crate) fn take(&mut self, other: &Self, used: Use) {
        if self.0.is_empty() && used == Use::AS_IS {
            self.0.clone_from(&other.0);
            return;
        }
        for dep in &other.0 {
            let kind = dep.kind.through(used.kind);
            self.add(Dep { source: dep.source, kind, masked: kind.is_direct() && (dep.masked || used.masked) });
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_decides_stays_what_decides() {
        let mut inner = Deps::column(1);
        inner.add(Dep { source: 2, kind: Kind::Filter, masked: false });
        let mut outer = Deps::default();
        outer.take(&inner, Use::AS_IS.within(Kind::Aggregation));
        assert_eq!(outer.iter().map(|dep| dep.kind).collect::<Vec<_>>(), [Kind::Aggregation, Kind::Filter]);
        let mut decided = Deps::default();
        decided.take(&outer, Use::deciding(Kind::Sort));
        assert!(decided.iter().all(|dep| dep.kind == Kind::Sort));
    }

    #[test]
    fn what_is_plain_in_one_way_is_plain() {
        let mut deps = Deps::default();
        deps.take(&Deps::column(1), Use::AS_IS.within(Kind::Transformation).masked());
        assert!(deps.iter().all(|dep| dep.masked));
        deps.take(&Deps::column(1), Use::AS_IS.within(Kind::Transformation));
        assert!(deps.iter().all(|dep| !dep.masked));
    }
}
