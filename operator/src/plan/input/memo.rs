//! Memoization over passes: a result is computed again only if its inputs have changed since the
//! last pass.
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
pub(crate) struct Results<T>(FxHashMap<u64, (Basis, T)>);

/// The results of one step of the planner: those of the last pass, and those for the next.
pub(crate) struct Memo<'m, T> {
    last: &'m Results<T>,
    next: &'m mut Results<T>,
}

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

    /// Adds all inputs of `other`.
    pub(crate) fn with(mut self, other: &Arc<Self>) -> Self {
        self.shared.push(Arc::<Self>::clone(other));
        self.value(other.hasher.finish())
    }
}

impl<'m, T> Memo<'m, T> {
    pub(crate) fn new(last: &'m Results<T>, next: &'m mut Results<T>) -> Self {
        Self { last, next }
    }

    /// The last result for `key`, if it has these inputs.
    pub(crate) fn get(&self, key: &Key, basis: &Basis) -> Option<&'m T> {
        self.last.get(hash(key), basis)
    }

    /// The last result for `key`, whatever its inputs.
    pub(crate) fn last(&self, key: &Key) -> Option<&'m T> {
        self.last.0.get(&hash(key)).map(|(_, result)| result)
    }

    /// Stores a result for the next pass.
    pub(crate) fn put(&mut self, key: &Key, basis: Basis, result: T) {
        self.next.0.insert(hash(key), (basis, result));
    }
}

impl<T: Clone> Memo<'_, T> {
    /// The last result for `key` if it has these inputs, or else that of `compute`; it is stored for
    /// the next pass.
    pub(crate) fn get_or(&mut self, key: &Key, basis: Basis, compute: impl FnOnce() -> T) -> T {
        let result = self.get(key, &basis).cloned().unwrap_or_else(compute);
        self.put(key, basis, result.clone());
        result
    }
}

impl<T> Results<T> {
    fn get(&self, key: u64, basis: &Basis) -> Option<&T> {
        let (known, result) = self.0.get(&key)?;
        (known.hasher.finish() == basis.hasher.finish()).then_some(result)
    }
}

fn hash(key: &Key) -> u64 {
    Basis::default().value(key).hasher.finish()
}

impl<T> Default for Results<T> {
    fn default() -> Self {
        Self(FxHashMap::default())
    }
}

#[cfg(test)]
impl<T> Results<T> {
    /// How many results have the same inputs as those of `other`.
    pub(crate) fn shared_with(&self, other: &Self) -> usize {
        let same = |(key, (basis, _)): &(&u64, &(Basis, T))| other.get(**key, basis).is_some();
        self.0.iter().filter(same).count()
    }
}
