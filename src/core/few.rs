//! A list of mostly none or one.

/// Mostly none or one, which need no memory of their own.
#[derive(Debug)]
pub(crate) struct Few<T> {
    first: Option<T>,
    rest: Vec<T>,
}

impl<T> Few<T> {
    pub(crate) fn is_empty(&self) -> bool {
        self.first.is_none()
    }

    /// Gives each away.
    #[inline]
    pub(crate) fn for_each(self, mut act: impl FnMut(T)) {
        if let Some(first) = self.first {
            act(first);
            self.rest.into_iter().for_each(act);
        }
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &T> {
        self.first.iter().chain(&self.rest)
    }

    pub(crate) fn push(&mut self, one: T) {
        match self.first {
            None => self.first = Some(one),
            Some(_) => self.rest.push(one),
        }
    }
}

impl<T> Default for Few<T> {
    fn default() -> Few<T> {
        Few {
            first: None,
            rest: Vec::new(),
        }
    }
}

impl<T> Extend<T> for Few<T> {
    fn extend<I: IntoIterator<Item = T>>(&mut self, others: I) {
        others.into_iter().for_each(|one| self.push(one));
    }
}

impl<T> IntoIterator for Few<T> {
    type Item = T;
    type IntoIter = std::iter::Chain<std::option::IntoIter<T>, std::vec::IntoIter<T>>;

    fn into_iter(self) -> Self::IntoIter {
        self.first.into_iter().chain(self.rest)
    }
}

#[cfg(test)]
mod tests {
    use super::Few;

    #[test]
    fn they_come_out_as_they_went_in() {
        let mut few = Few::default();
        assert!(few.is_empty());
        few.push(1);
        few.extend(Some(2));
        few.extend([3, 4]);
        assert!(!few.is_empty() && few.iter().eq(&[1, 2, 3, 4]));
        assert_eq!(few.into_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
    }
}
