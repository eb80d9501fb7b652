//! Reading what a run will need before it asks, from storage where each file takes its time to arrive.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Weak};
use std::thread;

use crabwalk_sources::collect::{Columns, Demand, HOST};

use crate::manifest::FileEntry;
use crate::read::{Reader, names_in_files};
use crate::snapshot::StoreCatalog;

/// A file, and what of it will be needed.
pub(crate) type Wanted = (Arc<FileEntry>, Arc<Vec<String>>);

impl StoreCatalog {
    /// Begins to read what is demanded, as long as the cache has room for it, unless all files are near. Nobody waits:
    /// who needs a file that is on its way waits for that one. It ends with the catalog.
    pub(crate) fn read_ahead(&self, demand: &dyn Demand) {
        let reader = self.reader();
        if !reader.is_far() {
            return;
        }
        let mut all: Vec<Wanted> = Vec::new();
        for stored_type in self.all_stored() {
            let own = &stored_type.event_type;
            let columns = demand.columns(&own.channel, own.event_id);
            if columns == Columns::None {
                continue;
            }
            let fields = stored_type.types.keys().map(String::as_str);
            let needed = fields.filter(|field| *field == HOST || columns.has(field));
            let names = Arc::new(names_in_files(needed));
            let files = stored_type.files.iter();
            all.extend(files.map(|file| (Arc::clone(&file.entry), Arc::clone(&names))));
        }
        begin(reader, all);
    }
}

/// Begins to read files in this order, several at a time.
pub(crate) fn begin(reader: &Arc<Reader>, mut wanted: Vec<Wanted>) {
    wanted.retain(|(entry, names)| !reader.has_cached(entry, names));
    let at_once = reader.objects.at_once().min(wanted.len());
    let all = Arc::new((wanted, AtomicUsize::new(0)));
    for _ in 0..at_once {
        let (all, reader) = (Arc::clone(&all), Arc::downgrade(reader));
        // Without the thread it is read when it is needed.
        let _ = thread::Builder::new()
            .name("read-ahead".to_owned())
            .spawn(move || read(&all.0, &all.1, &reader));
    }
}

/// Reads one file after another, until the cache is full or nobody needs it any more.
fn read(all: &[Wanted], next: &AtomicUsize, reader: &Weak<Reader>) {
    while let Some((entry, names)) = all.get(next.fetch_add(1, Ordering::Relaxed))
        && let Some(reader) = reader.upgrade()
        && reader.has_room()
    {
        // Whoever needs it gets the error.
        let _ = reader.columns(entry, names);
    }
}
