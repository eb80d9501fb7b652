//! B+ trees of pages.

use std::collections::{HashSet, VecDeque};
use std::io::{self, Read, Seek};
use std::rc::Rc;

use super::compression;
use super::damage::{Damage, Damages, MOST_BYTES};
use super::page::{Page, Pages};

/// Levels of a tree that are followed; four hold billions of rows.
const DEEPEST: u8 = 16;

/// The leaves of a tree, in order, each once.
#[derive(Debug)]
pub(crate) struct Leaves {
    /// Pages to visit, the next one last, with their level.
    waiting: Vec<(u32, u8)>,
    /// Pages that were visited or will be.
    seen: HashSet<u32>,
    /// The pages behind leaves, which the tree does not lead to if the engine was stopped while it split one.
    behind: VecDeque<u32>,
    /// The tree that its root says it is.
    object: Option<u32>,
}

impl Leaves {
    pub fn of(root: u32) -> Self {
        Self {
            waiting: vec![(root, 0)],
            seen: HashSet::from([root]),
            behind: VecDeque::new(),
            object: None,
        }
    }

    /// The next leaf. Pages that are damaged are told in `damage`, with what is below them.
    pub fn next<R: Read + Seek>(
        &mut self,
        pages: &mut Pages<R>,
        damage: &mut Damages,
    ) -> io::Result<Option<Rc<Page>>> {
        while let Some((number, depth)) = self.waiting.pop() {
            let page = pages.read(number)?;
            let own = page.filter(|page| {
                let object = *self.object.get_or_insert(page.object);
                page.object == object && !page.is_unused()
            });
            let Some(page) = own.filter(|_| depth < DEEPEST) else {
                damage.push(|| Damage {
                    offset: pages.offset(number),
                    message: format!(
                        "page {number} is damaged or missing; it is left out, with everything below it"
                    ),
                });
                continue;
            };
            if page.is_leaf() {
                self.behind.push_back(page.next);
                return Ok(Some(page));
            }
            let children: Vec<u32> = page
                .nodes()
                .filter_map(|node| node?.child())
                .filter(|child| self.seen.insert(*child))
                .collect();
            let below = children.into_iter().rev().map(|child| (child, depth + 1));
            self.waiting.extend(below);
        }
        while let Some(number) = self.behind.pop_front() {
            if number == 0 || !self.seen.insert(number) {
                continue;
            }
            // What an old link leads to may be anything by now.
            let page = pages.read(number)?.filter(|page| {
                page.is_leaf() && !page.is_unused() && Some(page.object) == self.object
            });
            if let Some(page) = page {
                self.behind.push_back(page.next);
                return Ok(Some(page));
            }
        }
        Ok(None)
    }
}

/// The leaf that has `key`, if the tree has it, and the place of the first node there that is not before it.
fn find<R: Read + Seek>(
    pages: &mut Pages<R>,
    root: u32,
    key: &[u8],
) -> io::Result<Option<(Rc<Page>, usize)>> {
    let mut number = root;
    for _ in 0..DEEPEST {
        let Some(page) = pages.read(number)? else {
            return Ok(None);
        };
        if page.is_leaf() {
            let at = page.first_not(|node| node.compare(key).is_lt());
            return Ok(Some((page, at)));
        }
        // A page's key is above all keys below it; the last page has none.
        let at = page.first_not(|node| !node.has_no_key() && node.compare(key).is_le());
        match page.node(at).and_then(|node| node.child()) {
            Some(child) => number = child,
            None => return Ok(None),
        }
    }
    Ok(None)
}

/// The first [`MOST_BYTES`] of a long value; none if it is damaged. Its parts follow its root in the tree: their keys are its own and
/// their offset.
pub(crate) fn long_value<R: Read + Seek>(
    pages: &mut Pages<R>,
    root: u32,
    id: &[u8],
) -> io::Result<Option<Vec<u8>>> {
    /// Nodes that are looked at; parts fill most of a page.
    const MOST_NODES: usize = 64;
    let key: Vec<u8> = id.iter().rev().copied().collect();
    let Some((mut page, mut at)) = find(pages, root, &key)? else {
        return Ok(None);
    };
    let mut whole: Option<usize> = None;
    // Each part with its offset.
    let mut parts: Vec<(usize, Vec<u8>)> = Vec::new();
    for _ in 0..MOST_NODES {
        if at >= page.len() {
            let next = page.next;
            match pages.read(next)?.filter(|next| next.is_leaf()) {
                Some(next) => (page, at) = (next, 0),
                None => break,
            }
            continue;
        }
        let node = page.node(at);
        at += 1;
        let Some(node) = node.filter(|node| !node.is_deleted()) else {
            continue;
        };
        let Some(behind) = node.key_behind(&key) else {
            break;
        };
        match (behind.as_slice(), whole) {
            // How many refer to it, and its size.
            ([], _) => {
                let size = node.data.get(4..).and_then(|rest| rest.first_chunk());
                whole = size.map(|size| u32::from_le_bytes(*size) as usize);
            }
            ([a, b, c, d], Some(_)) => {
                let offset = u32::from_be_bytes([*a, *b, *c, *d]) as usize;
                parts.push((offset, node.data.to_vec()));
                if offset >= MOST_BYTES {
                    break;
                }
            }
            _ => break,
        }
    }
    let Some(whole) = whole else { return Ok(None) };
    let mut value = Vec::new();
    for (at, (offset, bytes)) in parts.iter().enumerate() {
        if *offset != value.len() || value.len() >= MOST_BYTES {
            break;
        }
        let end = parts.get(at + 1).map_or(whole, |(next, _)| *next);
        let Some(size) = end.checked_sub(*offset) else {
            break;
        };
        let room = MOST_BYTES - value.len();
        // A part that is shorter than its place is compressed.
        if bytes.len() == size {
            value.extend_from_slice(bytes.get(..room).unwrap_or(bytes));
        } else {
            match compression::unpack(bytes, room.min(size)) {
                Some(plain) => value.extend_from_slice(&plain),
                None => return Ok(None),
            }
        }
    }
    let complete = value.len() >= whole.min(MOST_BYTES);
    Ok(complete.then_some(value))
}
