//! A list's places, by what the items there have in common.

use std::hash::Hash;

use hashbrown::{Equivalent, HashMap};

/// The places of a list's items by a key, each group in the order of the list.
///
/// A map of lists would take an allocation for each key, and most keys (the port of a client, the number of a process)
/// belong to one or two items.
#[derive(Debug)]
pub(crate) struct Grouped<K> {
    /// The number of each key's group.
    number: HashMap<K, u32>,
    /// Where each group begins in `places`, and where the last one ends.
    starts: Vec<u32>,
    places: Vec<u32>,
}

impl<K> Default for Grouped<K> {
    fn default() -> Self {
        Self {
            number: HashMap::new(),
            starts: Vec::new(),
            places: Vec::new(),
        }
    }
}

impl<K: Hash + Eq> Grouped<K> {
    /// Groups places, given with their keys in the order of the list. Places beyond 32 bits are left out: so many items
    /// do not fit into memory.
    pub fn new(items: impl Iterator<Item = (K, usize)>) -> Self {
        let mut number: HashMap<K, u32> = HashMap::new();
        let mut sizes: Vec<u32> = Vec::new();
        let mut members: Vec<(u32, u32)> = Vec::new();
        for (key, place) in items {
            let (Ok(place), Ok(next)) = (u32::try_from(place), u32::try_from(sizes.len())) else {
                break;
            };
            let group = *number.entry(key).or_insert(next);
            if group == next {
                sizes.push(0);
            }
            if let Some(size) = sizes.get_mut(group as usize) {
                *size += 1;
            }
            members.push((group, place));
        }
        // From the sizes to where each group begins.
        let mut end = 0;
        for size in &mut sizes {
            end += std::mem::replace(size, end);
        }
        let mut starts = sizes;
        let mut places = vec![0; members.len()];
        for (group, place) in members {
            if let Some(next) = starts.get_mut(group as usize) {
                if let Some(slot) = places.get_mut(*next as usize) {
                    *slot = place;
                }
                *next += 1;
            }
        }
        // Each group has moved its own beginning to that of the next one.
        starts.insert(0, 0);
        number.shrink_to_fit();
        Self {
            number,
            starts,
            places,
        }
    }

    /// The places of a key's items.
    pub fn get<Q: Hash + Equivalent<K> + ?Sized>(&self, key: &Q) -> &[u32] {
        let range = self.number.get(key).and_then(|group| {
            let start = *self.starts.get(*group as usize)?;
            let end = *self.starts.get(*group as usize + 1)?;
            self.places.get(start as usize..end as usize)
        });
        range.unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_keep_the_order_of_the_list() {
        let all = ["b", "a", "b", "c", "a", "b"];
        let grouped = Grouped::new(all.iter().enumerate().map(|(place, key)| (*key, place)));
        assert_eq!(grouped.get("a"), [1, 4]);
        assert_eq!(grouped.get("b"), [0, 2, 5]);
        assert_eq!(grouped.get("c"), [3]);
        assert_eq!(grouped.get("d"), [0; 0]);
        assert_eq!(Grouped::<u8>::default().get(&1), [0; 0]);
        assert_eq!(Grouped::<u8>::new(std::iter::empty()).get(&1), [0; 0]);
    }
}
