//! A compressed prefix tree (radix tree): values by topic, found by all prefixes at once.
//!
//! ```text
//!   topics: "", "led", "ledger", "lever"       (root) = ""
//!                                                 │
//!   ● holds a value                              "le"
//!   ○ only divides                              ○ │
//!                                         "d" ●───┴───● "ver"
//!                                             │
//!                                     "ger" ●─┘
//! ```
//!
//! Topics come from peers, so depth and length are theirs to choose:
//!
//! - Nothing recurses; nodes lie in a slab, so dropping a tree a million nodes deep is a loop.
//! - A node's label has at most [`LABEL_OCTETS_MAX`] octets, a long topic is a chain. Dividing or
//!   joining labels copies no more than that: a short topic that divides a long one is cheap.
//! - A node that holds nothing, leads to one child only and fits into it is joined with it. What
//!   remains is two nodes per topic at most, and a chain node for every half label of octets.
//! - A node that holds a value keeps its id until the value is removed.

use slab::Slab;

/// Octets of one label at most: large enough that a long topic costs little more than its octets,
/// small enough to be copied without a thought.
const LABEL_OCTETS_MAX: usize = 1024;

const ROOT: NodeId = 0;

/// Names a node. Stable while the node holds a value.
pub(super) type NodeId = u32;

/// Values by topic.
#[derive(Clone, Debug)]
pub(super) struct TopicTree<V> {
    nodes: Slab<Node<V>>,
    values: usize,
}

#[derive(Clone, Debug)]
struct Node<V> {
    /// The octets from the parent to here. Empty for the root only.
    label: Box<[u8]>,
    parent: NodeId,
    /// By the first octet of their labels, in order.
    children: Vec<(u8, NodeId)>,
    value: Option<V>,
}

impl<V> TopicTree<V> {
    pub(super) fn new() -> TopicTree<V> {
        let mut nodes = Slab::new();
        nodes.insert(Node {
            label: Box::default(),
            parent: ROOT,
            children: Vec::new(),
            value: None,
        });
        TopicTree { nodes, values: 0 }
    }

    /// How many topics hold a value.
    pub(super) fn len(&self) -> usize {
        self.values
    }

    /// The node of this very topic, if it holds a value.
    pub(super) fn find(&self, topic: &[u8]) -> Option<NodeId> {
        let (mut at, mut rest) = (ROOT, topic);
        while !rest.is_empty() {
            (at, rest) = self.down(at, rest)?;
        }
        self.node(at).value.is_some().then_some(at)
    }

    /// The values of all prefixes of `topic`, shortest first, itself included.
    #[inline]
    pub(super) fn prefixes<'a>(&'a self, topic: &'a [u8]) -> Prefixes<'a, V> {
        Prefixes {
            tree: self,
            next: Some((ROOT, topic)),
        }
    }

    /// The value of a node that [`find`](Self::find) or [`entry`](Self::entry) gave.
    pub(super) fn value(&mut self, id: NodeId) -> &mut V {
        let value = self.node_mut(id).value.as_mut();
        value.expect("a node keeps its id while it holds a value")
    }

    /// Writes a node's topic into `topic`.
    pub(super) fn spell(&self, id: NodeId, topic: &mut Vec<u8>) {
        topic.clear();
        let mut at = id;
        while at != ROOT {
            let node = self.node(at);
            topic.extend(node.label.iter().rev());
            at = node.parent;
        }
        topic.reverse();
    }

    /// Topics and values, in the order of octets.
    pub(super) fn iter(&self) -> Iter<'_, V> {
        Iter {
            tree: self,
            path: Vec::new(),
            ahead: vec![(ROOT, 0)],
        }
    }

    /// The node of this topic; if there is none, it is made and holds the default.
    pub(super) fn entry(&mut self, topic: &[u8]) -> NodeId
    where
        V: Default,
    {
        let (mut at, mut rest) = (ROOT, topic);
        while let Some(&first) = rest.first() {
            if let Some(further) = self.down(at, rest) {
                (at, rest) = further;
                continue;
            }
            let Some(child) = self.node(at).child(first) else {
                at = self.extend(at, rest);
                break;
            };
            let label = self.node(child).label.iter();
            let common = label.zip(rest).take_while(|(a, b)| a == b).count();
            at = self.divide(child, common);
            rest = &rest[common..];
        }
        if self.node(at).value.is_none() {
            self.node_mut(at).value = Some(V::default());
            self.values += 1;
        }
        at
    }

    /// Takes the value out of a node, and the nodes away that served it alone.
    pub(super) fn remove(&mut self, id: NodeId) -> Option<V> {
        let value = self.node_mut(id).value.take()?;
        self.values -= 1;
        if self.values == 0 {
            *self = TopicTree::new();
            return Some(value);
        }
        let mut at = id;
        while at != ROOT && self.node(at).is_bare() {
            let node = self.nodes.remove(at as usize);
            self.node_mut(node.parent).remove_child(node.label[0]);
            at = node.parent;
        }
        let above = self.node(at).parent;
        self.join(at);
        self.join(above);
        Some(value)
    }

    /// A chain of new nodes under `at` that spells `rest`; gives the last.
    fn extend(&mut self, mut at: NodeId, rest: &[u8]) -> NodeId {
        for label in rest.chunks(LABEL_OCTETS_MAX) {
            let child = self.add(label, at);
            self.node_mut(at).set_child(label[0], child);
            at = child;
        }
        at
    }

    /// Divides the label of `id`: gives a new node above it that has the first `head` octets.
    fn divide(&mut self, id: NodeId, head: usize) -> NodeId {
        let node = self.node_mut(id);
        let (label, parent) = (std::mem::take(&mut node.label), node.parent);
        let (head, tail) = label.split_at(head);
        let above = self.add(head, parent);
        self.node_mut(above).set_child(tail[0], id);
        self.node_mut(parent).set_child(head[0], above);
        let node = self.node_mut(id);
        node.label = tail.into();
        node.parent = above;
        above
    }

    /// Joins a node that holds nothing and leads to one child only with that child, if one label
    /// can hold both.
    fn join(&mut self, id: NodeId) {
        if id == ROOT || self.node(id).value.is_some() {
            return;
        }
        let &[(_, child)] = &self.node(id).children[..] else {
            return;
        };
        if self.node(id).label.len() + self.node(child).label.len() > LABEL_OCTETS_MAX {
            return;
        }
        let Node { label, parent, .. } = self.nodes.remove(id as usize);
        self.node_mut(parent).set_child(label[0], child);
        let child = self.node_mut(child);
        child.label = [label, std::mem::take(&mut child.label)].concat().into();
        child.parent = parent;
    }

    fn add(&mut self, label: &[u8], parent: NodeId) -> NodeId {
        let id = self.nodes.insert(Node {
            label: label.into(),
            parent,
            children: Vec::new(),
            value: None,
        });
        NodeId::try_from(id).expect("memory ends long before four thousand million nodes")
    }

    /// One node further down the way of `rest`, and what is left of it then.
    #[inline]
    fn down<'a>(&self, at: NodeId, rest: &'a [u8]) -> Option<(NodeId, &'a [u8])> {
        let child = self.node(at).child(*rest.first()?)?;
        Some((child, rest.strip_prefix(&*self.node(child).label)?))
    }

    #[inline]
    fn node(&self, id: NodeId) -> &Node<V> {
        &self.nodes[id as usize]
    }

    fn node_mut(&mut self, id: NodeId) -> &mut Node<V> {
        &mut self.nodes[id as usize]
    }
}

impl<V> Node<V> {
    #[inline]
    fn child(&self, first: u8) -> Option<NodeId> {
        let place = self.place(first).ok()?;
        Some(self.children[place].1)
    }

    fn set_child(&mut self, first: u8, child: NodeId) {
        match self.place(first) {
            Ok(place) => self.children[place].1 = child,
            Err(place) => self.children.insert(place, (first, child)),
        }
    }

    fn remove_child(&mut self, first: u8) {
        if let Ok(place) = self.place(first) {
            self.children.remove(place);
            give_back_room(&mut self.children);
        }
    }

    #[inline]
    fn place(&self, first: u8) -> Result<usize, usize> {
        self.children.binary_search_by_key(&first, |child| child.0)
    }

    fn is_bare(&self) -> bool {
        self.children.is_empty() && self.value.is_none()
    }
}

/// Gives memory back when three quarters of it are empty, so that what was large once does not
/// stay so.
pub(super) fn give_back_room<T>(list: &mut Vec<T>) {
    if list.capacity() > 8 && list.len() < list.capacity() / 4 {
        list.shrink_to(list.len() * 2);
    }
}

/// See [`TopicTree::prefixes`].
#[derive(Debug)]
pub(super) struct Prefixes<'a, V> {
    tree: &'a TopicTree<V>,
    next: Option<(NodeId, &'a [u8])>,
}

impl<'a, V> Iterator for Prefixes<'a, V> {
    type Item = &'a V;

    #[inline]
    fn next(&mut self) -> Option<&'a V> {
        while let Some((at, rest)) = self.next {
            self.next = self.tree.down(at, rest);
            if let Some(value) = &self.tree.node(at).value {
                return Some(value);
            }
        }
        None
    }
}

/// See [`TopicTree::iter`].
#[derive(Debug)]
pub(super) struct Iter<'a, V> {
    tree: &'a TopicTree<V>,
    path: Vec<u8>,
    /// Nodes to visit, the next one last, each with the length of the path above it.
    ahead: Vec<(NodeId, usize)>,
}

impl<'a, V> Iterator for Iter<'a, V> {
    type Item = (Vec<u8>, &'a V);

    fn next(&mut self) -> Option<(Vec<u8>, &'a V)> {
        while let Some((at, depth)) = self.ahead.pop() {
            let node = self.tree.node(at);
            self.path.truncate(depth);
            self.path.extend(&node.label);
            let depth = self.path.len();
            let children = node.children.iter().rev();
            self.ahead
                .extend(children.map(|&(_, child)| (child, depth)));
            if let Some(value) = &node.value {
                return Some((self.path.clone(), value));
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn of(topics: &[&[u8]]) -> TopicTree<Vec<u8>> {
        let mut tree: TopicTree<Vec<u8>> = TopicTree::new();
        for topic in topics {
            let id = tree.entry(topic);
            *tree.value(id) = topic.to_vec();
        }
        tree
    }

    fn prefixes<'a>(tree: &'a TopicTree<Vec<u8>>, topic: &'a [u8]) -> Vec<&'a [u8]> {
        tree.prefixes(topic).map(Vec::as_slice).collect()
    }

    #[test]
    fn labels_divide_and_join() {
        let mut tree = of(&[b"ledger", b"lever", b"led", b""]);
        assert_eq!((tree.len(), tree.nodes.len()), (4, 5));
        assert_eq!(prefixes(&tree, b"ledgers"), [&b""[..], b"led", b"ledger"]);
        assert_eq!(prefixes(&tree, b"le"), [b""]);
        assert_eq!(tree.find(b"le"), None);
        assert_eq!(tree.find(b"lever!"), None);

        let led = tree.find(b"led").expect("there");
        assert_eq!(tree.remove(led), Some(b"led".to_vec()));
        assert_eq!((tree.len(), tree.nodes.len()), (3, 4));
        let lever = tree.find(b"lever").expect("there");
        assert_eq!(tree.remove(lever), Some(b"lever".to_vec()));
        assert_eq!((tree.len(), tree.nodes.len()), (2, 2));
        assert_eq!(prefixes(&tree, b"ledgers"), [&b""[..], b"ledger"]);
    }

    #[test]
    fn a_short_topic_divides_a_long_one_at_small_cost() {
        let long = vec![b'a'; 5 << 20];
        let mut tree = of(&[&long]);
        let chain = tree.nodes.len();
        assert_eq!(chain, 1 + (5 << 20) / LABEL_OCTETS_MAX);
        for length in 1..2000 {
            let id = tree.entry(&long[..length]);
            assert_eq!(
                tree.nodes.len() - chain,
                usize::from(length % LABEL_OCTETS_MAX != 0)
            );
            tree.remove(id);
            assert_eq!(tree.nodes.len(), chain);
        }
        let mut spelt = Vec::new();
        tree.spell(tree.find(&long).expect("there"), &mut spelt);
        assert!(spelt == long);
    }

    #[test]
    fn what_was_wide_gives_its_room_back() {
        let mut tree: TopicTree<u8> = TopicTree::new();
        let ids: Vec<_> = (0..=255).map(|octet| tree.entry(&[octet])).collect();
        for &id in &ids[1..] {
            assert!(tree.remove(id).is_some());
        }
        assert!(tree.node(ROOT).children.capacity() <= 8);
        tree.remove(ids[0]);
        assert_eq!((tree.len(), tree.nodes.capacity() < 8), (0, true));
    }

    /// The twin is an ordered map.
    #[test]
    fn as_an_ordered_map_would() {
        let (long, longer) = (vec![b'a'; 700], vec![b'b'; 1500]);
        let pieces: [&[u8]; 6] = [b"a", b"b", b"ab", b"\0\xFF", &long, &longer];
        for seed in 1..=10_u64 {
            println!("seed {seed}");
            let mut state = seed;
            let mut random = |below: usize| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 33) as usize % below
            };
            let mut tree: TopicTree<usize> = TopicTree::new();
            let mut twin: BTreeMap<Vec<u8>, usize> = BTreeMap::new();
            for step in 0..1000 {
                let parts = random(6);
                let topic: Vec<u8> = (0..parts)
                    .flat_map(|_| pieces[random(6)])
                    .copied()
                    .collect();
                // Seeks the full and the empty tree in turns.
                if random(10) < if step % 400 < 200 { 7 } else { 3 } {
                    let id = tree.entry(&topic);
                    *tree.value(id) += 1;
                    *twin.entry(topic.clone()).or_default() += 1;
                } else {
                    let key = twin
                        .range(topic.clone()..)
                        .next()
                        .map(|(key, _)| key.clone());
                    let key = key.unwrap_or_else(|| topic.clone());
                    let removed = tree.find(&key).and_then(|id| tree.remove(id));
                    assert_eq!(removed, twin.remove(&key));
                }
                let expected = (0..=topic.len()).filter_map(|end| twin.get(&topic[..end]));
                assert!(tree.prefixes(&topic).eq(expected));
                assert_eq!(tree.len(), twin.len());
                let octets: usize = twin.keys().map(Vec::len).sum();
                let bound = 2 + 4 * twin.len() + 2 * octets / LABEL_OCTETS_MAX;
                assert!(tree.nodes.len() <= bound, "{} nodes", tree.nodes.len());
                if step % 50 == 0 {
                    assert!(
                        tree.iter()
                            .eq(twin.iter().map(|(key, value)| (key.clone(), value)))
                    );
                }
            }
        }
    }
}
