//! A table that only grows, page by page: adding to it never moves what it holds, however much that
//! is.

use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::fmt;
use std::marker::PhantomData;

/// Values by place, from 0 on.
#[derive(Clone, Debug)]
pub struct Paged<T> {
    /// All of them full but the last.
    pages: Vec<Vec<T>>,
}

impl<T> Default for Paged<T> {
    fn default() -> Self {
        Self { pages: Vec::new() }
    }
}

impl<T> Paged<T> {
    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        let Some((last, full)) = self.pages.split_last() else { return 0 };
        full.len().saturating_mul(PAGE).saturating_add(last.len())
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pages.is_empty()
    }

    /// The one at a place.
    #[must_use]
    pub fn get(&self, place: usize) -> Option<&T> {
        self.pages.get(place / PAGE)?.get(place % PAGE)
    }

    /// The one at a place, to be changed.
    pub fn get_mut(&mut self, place: usize) -> Option<&mut T> {
        self.pages.get_mut(place / PAGE)?.get_mut(place % PAGE)
    }

    /// Adds one behind the others.
    pub fn push(&mut self, value: T) {
        match self.pages.last_mut() {
            Some(page) if page.len() < PAGE => page.push(value),
            _ => {
                let mut page = Vec::with_capacity(PAGE);
                page.push(value);
                self.pages.push(page);
            }
        }
    }

    /// All of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.pages.iter().flatten()
    }

    /// All of them, in order, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.pages.iter_mut().flatten()
    }
}

/// As a list: the pages are nobody else's matter.
impl<T: Serialize> Serialize for Paged<T> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        use serde::ser::SerializeSeq as _;
        let mut list = serializer.serialize_seq(Some(self.len()))?;
        for value in self.iter() {
            list.serialize_element(value)?;
        }
        list.end()
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Paged<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_seq(ListVisitor(PhantomData))
    }
}

struct ListVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for ListVisitor<T> {
    type Value = Paged<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        let mut table = Paged::default();
        while let Some(value) = list.next_element()? {
            table.push(value);
        }
        Ok(table)
    }
}

/// Values in a page.
const PAGE: usize = 1_024;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_a_list_whose_values_stay_where_they_are() {
        let mut table = Paged::default();
        assert!(table.is_empty() && table.get(0).is_none());
        table.push(0_usize);
        let first: *const usize = table.get(0).expect("it was added");
        for value in 1..PAGE * 3 {
            assert_eq!(table.len(), value);
            table.push(value);
        }
        assert!(std::ptr::eq(first, table.get(0).expect("it is there")));
        *table.get_mut(PAGE).expect("it is there") = 7;
        assert_eq!(table.get(PAGE), Some(&7));
        table.iter_mut().for_each(|value| *value += 1);
        assert_eq!((table.get(0), table.get(PAGE)), (Some(&1), Some(&8)));
        assert!(table.get(PAGE * 3).is_none());
        assert_eq!(table.iter().count(), PAGE * 3);
        let list: Vec<usize> = table.iter().copied().collect();
        let bytes = postcard::to_stdvec(&table).expect("it can be written");
        assert_eq!(bytes, postcard::to_stdvec(&list).expect("a list can"));
        let read: Paged<usize> = postcard::from_bytes(&bytes).expect("it can be read");
        assert!(read.iter().eq(&list));
    }
}
