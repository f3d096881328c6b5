//! Results of one pass that the next pass reuses while their inputs are unchanged.
//!
//! Must not know the meaning of a result.

use std::any::Any;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use rustc_hash::FxHashMap;

use super::observed::Key;

/// The inputs of a result: values by their hash, shared data by its address. The data is kept
/// alive, so that nothing else can get its address.
#[derive(Clone, Debug, Default)]
pub(crate) struct Basis {
    hasher: DefaultHasher,
    shared: Vec<Arc<dyn Any + Send + Sync>>,
}

/// Results by the object they belong to, each under the hash of its key: 64 bits, of which ten
/// thousand objects share none but once in 10^11 clusters.
#[derive(Clone, Debug)]
pub(crate) struct Kept<T>(FxHashMap<u64, (Basis, T)>);

impl Basis {
    /// Adds a value to the inputs.
    pub(crate) fn value(mut self, value: impl Hash) -> Self {
        value.hash(&mut self.hasher);
        self
    }

    /// Adds this shared data to the inputs.
    pub(crate) fn shared<T: Any + Send + Sync>(mut self, data: &Arc<T>) -> Self {
        self.shared.push(Arc::<T>::clone(data));
        self.value(Arc::as_ptr(data).addr())
    }

    /// It rests on all that `other` rests on.
    pub(crate) fn with(mut self, other: &Arc<Self>) -> Self {
        self.shared.push(Arc::<Self>::clone(other));
        self.value(other.hasher.finish())
    }
}

impl<T> Kept<T> {
    /// The result for `key`, if it has these inputs.
    pub(crate) fn get(&self, key: &Key, basis: &Basis) -> Option<&T> {
        self.at(hash(key), basis)
    }

    /// The last result for `key`, whatever its inputs.
    pub(crate) fn last(&self, key: &Key) -> Option<&T> {
        self.0.get(&hash(key)).map(|(_, result)| result)
    }

    fn at(&self, key: u64, basis: &Basis) -> Option<&T> {
        let (known, result) = self.0.get(&key)?;
        (known.hasher.finish() == basis.hasher.finish()).then_some(result)
    }

    /// Stores a result.
    pub(crate) fn put(&mut self, key: &Key, basis: Basis, result: T) {
        self.0.insert(hash(key), (basis, result));
    }
}

fn hash(key: &Key) -> u64 {
    Basis::default().value(key).hasher.finish()
}

impl<T: Clone> Kept<T> {
    /// The result for `key` in `before`, or else that of `compute`.
    pub(crate) fn again(
        &mut self,
        before: &Self,
        key: &Key,
        basis: Basis,
        compute: impl FnOnce() -> T,
    ) -> T {
        let known = before.get(key, &basis).cloned();
        let result = known.unwrap_or_else(compute);
        self.put(key, basis, result.clone());
        result
    }
}

impl<T> Default for Kept<T> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

#[cfg(test)]
impl<T> Kept<T> {
    /// How many results rest on the same as those of `other`.
    pub(crate) fn shared_with(&self, other: &Self) -> usize {
        let same = |(key, (basis, _)): &(&u64, &(Basis, T))| other.at(**key, basis).is_some();
        self.0.iter().filter(same).count()
    }
}
