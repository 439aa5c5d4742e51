//! Inventory as spreadsheets write it: one sort of row per file, told by the header.
//!
//! Comma, semicolon or tab between cells; cells that hold lists separate their items by `;`, or by
//! spaces where there is no `;`. Empty rows, rows that begin with `#`, and columns whose title is
//! empty or begins with `#` are passed over.

use crate::shell::config::fields::one_of;
use crate::shell::config::findings::{Findings, Located, Place, quoted};
use crate::shell::config::inventory::written::{
    Written, WrittenComponent, WrittenDependency, WrittenDevice, WrittenLink, WrittenService,
    WrittenSite,
};

/// First characters that make a spreadsheet take a cell for a formula. A cell that begins with one
/// of them, or with the apostrophe itself, is written with an apostrophe before it.
pub const SHIELDED: [char; 5] = ['=', '+', '-', '@', '\''];

/// Ends the name of an interface that has no ifIndex and would otherwise seem to have one.
pub const NO_INDEX: &str = "@0";

/// Highest ifIndex (IF-MIB InterfaceIndex).
const IF_INDEX_MAX: u32 = 2_147_483_647;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Sort {
    Devices,
    Links,
    Services,
    Sites,
}

impl Sort {
    /// Every sort; the first whose telling column is there is meant.
    const ALL: [Self; 4] = [Self::Links, Self::Services, Self::Devices, Self::Sites];

    const fn word(self) -> &'static str {
        match self {
            Self::Devices => "devices",
            Self::Links => "links",
            Self::Services => "services",
            Self::Sites => "sites",
        }
    }

    /// Its columns; the first `required` of them must be there and filled.
    const fn columns(self) -> &'static [&'static str] {
        match self {
            Self::Devices => &[
                "name",
                "site",
                "kind",
                "addresses",
                "aliases",
                "interfaces",
                "depends_on",
                "relay",
                "timezone",
            ],
            Self::Links => &["a", "b"],
            Self::Services => &["name", "contract", "site", "depends_on"],
            Self::Sites => &["name", "title", "timezone"],
        }
    }

    const fn required(self) -> usize {
        match self {
            Self::Links => 2,
            Self::Devices | Self::Services | Self::Sites => 1,
        }
    }

    /// Columns that only this sort has.
    const fn telling(self) -> &'static [&'static str] {
        match self {
            Self::Devices => &["addresses", "aliases", "interfaces", "kind", "relay"],
            Self::Links => &["a", "b"],
            Self::Services => &["contract"],
            Self::Sites => &["title", "timezone"],
        }
    }
}

/// Adds what a text says.
pub(super) fn read(whole: Place, text: &str, written: &mut Written, findings: &mut Findings) {
    let (skipped, body) = without_separator_line(text);
    let delimiter = delimiter(body);
    let mut rows = Rows { whole, skipped, body, delimiter };
    let mut reader = csv::ReaderBuilder::new()
        .delimiter(delimiter)
        .has_headers(false)
        .flexible(true)
        .from_reader(body.as_bytes());
    let mut record = csv::StringRecord::new();
    let mut header: Option<Header> = None;
    while let Ok(true) = reader.read_record(&mut record) {
        let cells = rows.cells(&record);
        let first = cells.first().map_or("", |cell| cell.value);
        if first.starts_with('#') || cells.iter().all(|cell| cell.value.is_empty()) {
            continue;
        }
        match &header {
            None => match Header::read(&cells, whole, findings) {
                Some(found) => header = Some(found),
                None => return,
            },
            Some(header) => {
                if let Some(row) = header.row(cells, findings) {
                    add(header.sort, &row, written, findings);
                }
            }
        }
    }
    if header.is_none() {
        findings.warning(whole, "empty", "begin with a header: name,site,kind,addresses,…");
    }
}

/// Some spreadsheets write `sep=;` before the header.
fn without_separator_line(text: &str) -> (usize, &str) {
    let line = text.lines().next().unwrap_or("");
    if !line.to_ascii_lowercase().starts_with("sep=") {
        return (0, text);
    }
    let skipped = text.find('\n').map_or(text.len(), |end| end + 1);
    (skipped, text.get(skipped..).unwrap_or(""))
}

/// The delimiter that the header uses most. A header holds no lists, so nothing else is meant.
fn delimiter(body: &str) -> u8 {
    let header =
        body.lines().find(|line| !line.trim().is_empty() && !line.starts_with('#')).unwrap_or("");
    let count = |wanted: u8| header.bytes().filter(|byte| *byte == wanted).count();
    let (mut best, mut most) = (b',', count(b','));
    for candidate in [b';', b'\t'] {
        if count(candidate) > most {
            (best, most) = (candidate, count(candidate));
        }
    }
    best
}

/// Finds where each cell of a record stands in the text.
struct Rows<'t> {
    whole: Place,
    skipped: usize,
    body: &'t str,
    delimiter: u8,
}

impl Rows<'_> {
    fn cells<'r>(&mut self, record: &'r csv::StringRecord) -> Vec<Located<&'r str>> {
        let start = record.position().map_or(0, csv::Position::byte);
        let mut at = usize::try_from(start).unwrap_or(usize::MAX);
        let bytes = self.body.as_bytes();
        while matches!(bytes.get(at), Some(b'\r' | b'\n')) {
            at += 1;
        }
        let mut cells = Vec::with_capacity(record.len());
        for value in record {
            cells.push(Located {
                value: unshielded(value),
                place: self.whole.at(self.skipped + at),
            });
            at = self.after_cell(at);
        }
        cells
    }

    /// Where the next cell begins.
    fn after_cell(&self, start: usize) -> usize {
        let bytes = self.body.as_bytes();
        let mut at = start;
        if bytes.get(at) == Some(&b'"') {
            at += 1;
            while let Some(byte) = bytes.get(at) {
                at += 1;
                if *byte == b'"' {
                    if bytes.get(at) != Some(&b'"') {
                        break;
                    }
                    at += 1;
                }
            }
        }
        while let Some(byte) = bytes.get(at) {
            if *byte == self.delimiter {
                return at + 1;
            }
            if matches!(byte, b'\r' | b'\n') {
                return at;
            }
            at += 1;
        }
        at
    }
}

/// A cell without the spaces around it and without the apostrophe that keeps it from being a
/// formula.
fn unshielded(cell: &str) -> &str {
    let cell = cell.trim();
    match cell.strip_prefix('\'') {
        Some(rest) if rest.starts_with(SHIELDED) => rest,
        _ => cell,
    }
}

/// Which column holds what.
struct Header {
    sort: Sort,
    /// For each column of the file, its place among the columns of the sort.
    columns: Vec<Option<usize>>,
}

impl Header {
    fn read(cells: &[Located<&str>], whole: Place, findings: &mut Findings) -> Option<Self> {
        let titles: Vec<String> = cells.iter().map(|cell| cell.value.to_lowercase()).collect();
        let sort = Sort::ALL.into_iter().find(|sort| {
            sort.telling().iter().any(|column| titles.iter().any(|title| title == column))
        });
        let Some(sort) = sort else {
            let place = cells.first().map_or(whole, |cell| cell.place);
            let remedy = "begin with name,site,kind,addresses,aliases,interfaces,depends_on \
                          (devices), a,b (links), name,contract,site,depends_on (services) or \
                          name,title,timezone (sites)";
            findings.error(place, "the first row is no header that vigie knows", remedy);
            return None;
        };
        let mut columns = Vec::with_capacity(cells.len());
        for (cell, title) in cells.iter().zip(&titles) {
            if title.is_empty() || title.starts_with('#') {
                columns.push(None);
                continue;
            }
            let column = sort.columns().iter().position(|column| column == title);
            if column.is_none() {
                let message =
                    format!("unknown column {} in a file of {}", quoted(title), sort.word());
                let remedy = format!(
                    "{}, or begin its title with # to have it passed over",
                    one_of(title, sort.columns(), "columns").trim_end_matches('?')
                );
                findings.error(cell.place, message, remedy);
            } else if columns.contains(&column) {
                let remedy = "keep one of them";
                findings.error(cell.place, format!("column {} twice", quoted(title)), remedy);
            }
            columns.push(column);
        }
        for (place, column) in sort.columns().iter().enumerate().take(sort.required()) {
            if !columns.contains(&Some(place)) {
                let at = cells.first().map_or(whole, |cell| cell.place);
                let remedy = format!("add a column {column}");
                findings.error(at, format!("no column {}", quoted(column)), remedy);
                return None;
            }
        }
        Some(Self { sort, columns })
    }

    /// The cells in the order of the sort's columns; a column that the file lacks is empty.
    fn row<'r>(
        &self,
        cells: Vec<Located<&'r str>>,
        findings: &mut Findings,
    ) -> Option<Vec<Located<&'r str>>> {
        let begin = cells.first()?.place;
        let mut row = vec![Located { value: "", place: begin }; self.sort.columns().len()];
        let width = self.columns.len();
        for (place, cell) in cells.into_iter().enumerate() {
            match self.columns.get(place) {
                Some(Some(column)) => {
                    if let Some(slot) = row.get_mut(*column) {
                        *slot = cell;
                    }
                }
                Some(None) => {}
                None if cell.value.is_empty() => {}
                None => {
                    let message = format!("more cells than the header's {width}");
                    let remedy = "put a cell that holds the delimiter between double quotes";
                    findings.error(cell.place, message, remedy);
                    return None;
                }
            }
        }
        if let Some(cell) = row.iter().find(|cell| cell.value.contains(['\n', '\r'])) {
            let remedy = "close the double quote, or remove the line break from the cell";
            findings.error(cell.place, "a cell over several lines", remedy);
            return None;
        }
        let columns = self.sort.columns().iter().zip(&row).take(self.sort.required());
        for (column, cell) in columns {
            if cell.value.is_empty() {
                let remedy = "fill it in, or remove the row";
                findings.error(cell.place, format!("{} is empty", quoted(column)), remedy);
                return None;
            }
        }
        Some(row)
    }
}

fn add(sort: Sort, row: &[Located<&str>], written: &mut Written, findings: &mut Findings) {
    match (sort, row) {
        (
            Sort::Devices,
            [name, site, kind, addresses, aliases, interfaces, depends_on, relay, timezone],
        ) => {
            written.devices.push(WrittenDevice {
                name: owned(name),
                site: filled(site),
                kind: kind.value.to_owned(),
                addresses: items(addresses),
                aliases: items(aliases),
                relay: flag(relay, findings),
                timezone: filled(timezone),
                depends_on: dependencies(depends_on, findings),
                components: items(interfaces)
                    .iter()
                    .filter_map(|item| interface(item, findings))
                    .collect(),
            });
        }
        (Sort::Links, [a, b]) => {
            written.links.push(WrittenLink { a: owned(a), b: owned(b) });
        }
        (Sort::Services, [name, contract, site, depends_on]) => {
            written.services.push(WrittenService {
                name: owned(name),
                contract: filled(contract),
                site: filled(site),
                depends_on: dependencies(depends_on, findings),
            });
        }
        (Sort::Sites, [name, title, timezone]) => written.sites.push(WrittenSite {
            name: owned(name),
            title: title.value.to_owned(),
            timezone: filled(timezone),
        }),
        // A row has as many cells as its sort has columns.
        (Sort::Devices | Sort::Links | Sort::Services | Sort::Sites, _) => {}
    }
}

fn owned(cell: &Located<&str>) -> Located<String> {
    Located { value: cell.value.to_owned(), place: cell.place }
}

fn filled(cell: &Located<&str>) -> Option<Located<String>> {
    (!cell.value.is_empty()).then(|| owned(cell))
}

/// The items of a cell. A single item that holds spaces is followed by `;`.
fn items(cell: &Located<&str>) -> Vec<Located<String>> {
    let by_semicolon = cell.value.contains(';');
    cell.value
        .split(|each: char| if by_semicolon { each == ';' } else { each.is_whitespace() })
        .map(str::trim)
        .filter(|item| !item.is_empty())
        .map(|item| Located { value: item.to_owned(), place: cell.place })
        .collect()
}

/// `name`, or `name@ifIndex`.
fn interface(item: &Located<String>, findings: &mut Findings) -> Option<WrittenComponent> {
    let split = item
        .value
        .rsplit_once('@')
        .filter(|(_, index)| !index.is_empty() && index.bytes().all(|byte| byte.is_ascii_digit()));
    let (name, if_index) = match split {
        None => (item.value.as_str(), None),
        Some((name, index)) => match index.parse::<u32>() {
            Ok(0) => (name, None),
            Ok(index) if index <= IF_INDEX_MAX => (name, Some(index)),
            _ => {
                let message = format!("{} is no ifIndex", quoted(index));
                findings.error(item.place, message, "give a number from 1 to 2147483647");
                return None;
            }
        },
    };
    Some(WrittenComponent {
        name: Located { value: name.trim().to_owned(), place: item.place },
        if_index,
        aliases: Vec::new(),
        peer: None,
        depends_on: Vec::new(),
    })
}

/// `agg-1`, `agg-1|agg-2` (one of them), `2*a|b|c` (two of them).
fn dependencies(cell: &Located<&str>, findings: &mut Findings) -> Vec<WrittenDependency> {
    let mut list = Vec::new();
    for item in items(cell) {
        let counted = item.value.split_once('*').and_then(|(count, group)| {
            let is_number = !count.is_empty() && count.bytes().all(|b| b.is_ascii_digit());
            is_number.then(|| (count.parse::<u32>(), group))
        });
        let (needed, group) = match counted {
            None => (1, item.value.as_str()),
            Some((Ok(needed), group)) if needed > 0 => (needed, group),
            Some(_) => {
                let message = format!("{} needs an impossible number", quoted(&item.value));
                findings.error(item.place, message, "write 2*a|b|c for two of three");
                continue;
            }
        };
        let any_of: Vec<_> = group
            .split('|')
            .map(str::trim)
            .filter(|name| !name.is_empty())
            .map(|name| Located { value: name.to_owned(), place: item.place })
            .collect();
        if !any_of.is_empty() {
            list.push(WrittenDependency { place: item.place, any_of, needed });
        }
    }
    list
}

/// Spreadsheets write their own words for true and false.
fn flag(cell: &Located<&str>, findings: &mut Findings) -> bool {
    match cell.value.to_lowercase().as_str() {
        "true" | "yes" | "1" | "vrai" | "oui" | "x" => true,
        "" | "false" | "no" | "0" | "faux" | "non" => false,
        other => {
            let message = format!("{} is neither yes nor no", quoted(other));
            findings.error(cell.place, message, "write yes or no");
            false
        }
    }
}
