//! Names for the values of an event whose exporter kept their order but dropped their names: `StringInserts`
//! of Fluent Bit, `ReplacementStrings` of Get-EventLog, `strings` of plaso.

use std::sync::OnceLock;

use crate::record::Record;

/// The values of one form of an event.
struct Form {
    log: &'static str,
    ids: Vec<u32>,
    names: Vec<&'static str>,
}

fn forms() -> &'static [Form] {
    static FORMS: OnceLock<Vec<Form>> = OnceLock::new();
    FORMS.get_or_init(|| {
        include_str!("data_names.txt")
            .lines()
            .filter(|line| !line.starts_with('#'))
            .filter_map(|line| {
                let mut cells = line.split('|');
                Some(Form {
                    log: cells.next()?,
                    ids: cells
                        .next()?
                        .split(',')
                        .filter_map(|id| id.parse().ok())
                        .collect(),
                    names: cells.next()?.split(' ').collect(),
                })
            })
            .collect()
    })
}

/// Puts all values of the event's data, empty ones too, into the record: under their names where the event is known, else as
/// `Data`. If later versions of Windows added values to an event, fewer values are the first ones.
pub(crate) fn name_values(record: &mut Record, values: &[&str]) {
    let log = record
        .channel
        .strip_prefix("Microsoft-Windows-")
        .unwrap_or(&record.channel);
    let form = forms()
        .iter()
        .filter(|form| form.log.eq_ignore_ascii_case(log) && form.ids.contains(&record.event_id))
        .filter(|form| form.names.len() >= values.len())
        .min_by_key(|form| form.names.len());
    let names = form.map_or(&[][..], |form| form.names.as_slice());
    for (at, value) in values.iter().enumerate() {
        record.data(names.get(at).copied().unwrap_or("Data"), value);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_is_well_formed() {
        for form in forms() {
            assert!(!form.ids.is_empty() && !form.log.is_empty());
            assert!(
                form.names.iter().all(|name| name
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')),
                "{:?}",
                form.names
            );
            // Forms of an event differ in the number of values.
            let alike = forms().iter().filter(|other| {
                other.log == form.log
                    && other.names.len() == form.names.len()
                    && other.ids.iter().any(|id| form.ids.contains(id))
            });
            assert_eq!(alike.count(), 1, "{} {:?}", form.log, form.ids);
        }
    }
}
