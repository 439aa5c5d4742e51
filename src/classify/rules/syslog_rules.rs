//! Syslog rules: found by the mnemonic through a hash index, else by the literals that the line
//! holds, in one pass over it for all rules together; then the first rule whose conditions hold
//! decides. Literals and values are looked for in the line as received, behind PRI, since the
//! headers of real equipment are often not what a parser makes of them.

use super::action::{ACTION_KEYS, Action, Names, read_action, words};
use super::declared::Declared;
use super::extract::Extractor;
use super::literals::LiteralIndex;
use super::mnemonic::{self, Pattern};
use super::read::{Report, Section, Written};
use super::regex_source::{Expression, Groups, read_expression};
use crate::model::index::{HashIndex, KeyHasher};
use crate::model::syslog::SyslogMessage;
use memchr::memmem::Finder;
use std::ops::Range;

/// Most values that one rule takes out of a line.
pub(crate) const VALUES_MAX: usize = 8;

/// What a name in a syslog rule refers to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum SyslogReference {
    /// A value taken out of the line.
    Value(usize),
    /// The same, as the name of an interface.
    Interface(usize),
    /// The text behind the header.
    Message,
    /// The mnemonic.
    Mnemonic,
    /// APP-NAME.
    Program,
    /// HOSTNAME.
    Hostname,
}

/// A line to be classified.
#[derive(Clone, Copy)]
pub(crate) struct Line<'a> {
    /// What the decoder made of it.
    pub(crate) message: &'a SyslogMessage<'a>,
    /// As received, behind PRI.
    pub(crate) bytes: &'a [u8],
    /// Its mnemonic, found again where the decoder found none.
    pub(crate) mnemonic: &'a str,
}

/// Where the values of a rule stand in the line.
pub(crate) type Places = [Option<Range<usize>>; VALUES_MAX];

/// One syslog rule.
pub(crate) struct SyslogRule {
    /// Conditions and consequences.
    pub(crate) action: Action<SyslogReference>,
    mnemonics: Vec<Pattern>,
    programs: Vec<String>,
    facilities: Vec<u8>,
    level: Option<u8>,
    contains: Vec<Finder<'static>>,
    without: Vec<Finder<'static>>,
    extractors: Vec<Extractor>,
    expression: Option<Expression>,
}

impl SyslogRule {
    /// Whether the line is of the kind that the rule knows; the values are then in `places`.
    fn is_match(&self, line: &Line<'_>, places: &mut Places, memory: &mut Groups) -> bool {
        let message = line.message;
        let is_one_of = |wanted: &[String], word: &str| {
            wanted.is_empty() || wanted.iter().any(|one| one.eq_ignore_ascii_case(word))
        };
        let holds = |finder: &Finder<'_>| finder.find(line.bytes).is_some();
        let mnemonic_fits = self.mnemonics.is_empty()
            || self.mnemonics.iter().any(|pattern| pattern.is_match(line.mnemonic));
        if !mnemonic_fits
            || !is_one_of(&self.programs, message.app_name)
            || !(self.facilities.is_empty() || self.facilities.contains(&message.facility))
            || self.level.is_some_and(|level| message.severity > level)
            || !self.contains.iter().all(holds)
            || self.without.iter().any(holds)
        {
            return false;
        }
        for (extractor, place) in self.extractors.iter().zip(places.iter_mut()) {
            *place = extractor.find(line.bytes);
            if place.is_none() && !extractor.is_optional {
                return false;
            }
        }
        let taken = self.extractors.len();
        self.expression.as_ref().is_none_or(|expression| {
            expression.find(line.bytes, places.get_mut(taken..).unwrap_or(&mut []), memory)
        })
    }
}

/// Every syslog rule, indexed.
pub(crate) struct SyslogRules {
    rules: Vec<SyslogRule>,
    hasher: KeyHasher,
    index: HashIndex,
    groups: Vec<Group>,
    /// Rules with a pattern that has no key, by its longest part.
    open_patterns: LiteralIndex,
    /// Rules known by programme only.
    by_program: Vec<usize>,
    literals: LiteralIndex,
    expression_count: usize,
}

/// Rules with one first and last part of the mnemonic.
struct Group {
    first: String,
    last: String,
    rules: Vec<usize>,
}

impl Default for SyslogRules {
    fn default() -> Self {
        Self {
            rules: Vec::new(),
            hasher: KeyHasher::new(INDEX_SEED),
            index: HashIndex::default(),
            groups: Vec::new(),
            open_patterns: LiteralIndex::default(),
            by_program: Vec::new(),
            literals: LiteralIndex::default(),
            expression_count: 0,
        }
    }
}

impl SyslogRules {
    /// Compiles the `[[syslog]]` tables of one file behind those of the files before it. Gives the
    /// names of the rules and where they stand.
    pub(super) fn compile(
        &mut self,
        file: Section<'_>,
        declared: &Declared,
        report: &mut Report<'_>,
    ) -> Vec<Written<String>> {
        file.named_sections("syslog", report, |section, report| {
            self.rule(section, declared, report);
        })
    }

    /// To be called once after the last file.
    pub(super) fn finish(&mut self) {
        self.open_patterns.finish();
        self.literals.finish();
    }

    /// The first rule that `choose` takes, tried in this order: by mnemonic, by open pattern or
    /// programme, by literal; within each in the order of their declaration.
    pub(crate) fn first<'r, T>(
        &'r self,
        line: &Line<'_>,
        found: &mut Found,
        mut choose: impl FnMut(&'r SyslogRule, &Places) -> Option<T>,
    ) -> Option<T> {
        let Found { candidates, groups } = found;
        let mut try_rule = |place: &usize| {
            let rule = self.rules.get(*place)?;
            let mut places = Places::default();
            if rule.is_match(line, &mut places, groups) { choose(rule, &places) } else { None }
        };
        if !line.mnemonic.is_empty() {
            let group = self.group(line.mnemonic).and_then(|group| self.groups.get(group));
            let known = group.map_or(&[][..], |group| &group.rules);
            if let Some(chosen) = known.iter().find_map(&mut try_rule) {
                return Some(chosen);
            }
            self.open_patterns.candidates(line.mnemonic.as_bytes(), candidates);
            if let Some(chosen) = candidates.iter().find_map(&mut try_rule) {
                return Some(chosen);
            }
        }
        if let Some(chosen) = self.by_program.iter().find_map(&mut try_rule) {
            return Some(chosen);
        }
        self.literals.candidates(line.bytes, candidates);
        candidates.iter().find_map(&mut try_rule)
    }

    fn group(&self, mnemonic: &str) -> Option<usize> {
        let (first, last) = mnemonic::ends(mnemonic);
        self.group_of(first, last)
    }

    fn group_of(&self, first: &str, last: &str) -> Option<usize> {
        let group_at = |slot: u32| self.groups.get(usize::try_from(slot).ok()?);
        let slot = self.index.find(self.hasher.hash(&[first, last]), |slot| {
            group_at(slot).is_some_and(|group| group.first == first && group.last == last)
        })?;
        usize::try_from(slot).ok()
    }

    fn rule(&mut self, section: Section<'_>, declared: &Declared, report: &mut Report<'_>) {
        let keys: Vec<&str> = ACTION_KEYS.into_iter().chain(SYSLOG_KEYS).collect();
        section.check_keys(&keys, report);
        let mnemonics = section.texts("mnemonic", report);
        let programs = section.texts("program", report);
        let contains = section.texts("contains", report);
        let without = section.texts("without", report);
        if mnemonics.is_empty() && programs.is_empty() && contains.is_empty() {
            report.mistake(
                section.offset,
                "nothing says cheaply which lines the rule is for",
                "add `mnemonic`, `contains` (words that the line holds) or `program`",
            );
        }
        let mut value_names = Vec::new();
        let mut extractors = Vec::new();
        for (name, value) in section.section("extract", report).iter().flat_map(Section::entries) {
            let read = value.section("extract", report);
            if let Some(read) = read.and_then(|read| Extractor::read(read, report)) {
                value_names.push(name.value.to_owned());
                extractors.push(read);
            }
        }
        let mut expression = section
            .text("regex", report)
            .and_then(|written| read_expression(&written, &mut value_names, report));
        if let Some(expression) = &mut expression {
            expression.number = self.expression_count;
            self.expression_count = self.expression_count.saturating_add(1);
        }
        if value_names.len() > VALUES_MAX {
            report.mistake(
                section.offset,
                format!("the rule takes more than {VALUES_MAX} values out of the line"),
                "take only what the component, qualifier and text need",
            );
        }
        let names = SyslogNames(&value_names);
        let facilities = words(section.get("facility"), "facility", &FACILITIES, report);
        let levels = words(section.get("level"), "level", &LEVELS, report);
        let Some(action) = read_action(section, &names, declared, report) else { return };
        let finders = |words: &[Written<&str>]| {
            words.iter().map(|one| Finder::new(one.value.as_bytes()).into_owned()).collect()
        };
        let rule = SyslogRule {
            action,
            mnemonics: mnemonics.iter().map(|one| Pattern::new(one.value)).collect(),
            programs: programs.iter().map(|one| one.value.to_owned()).collect(),
            facilities,
            level: levels.first().copied(),
            contains: finders(&contains),
            without: finders(&without),
            extractors,
            expression,
        };
        let literals: Vec<&str> = contains.iter().map(|one| one.value).collect();
        self.add(rule, &literals);
    }

    fn add(&mut self, rule: SyslogRule, contains: &[&str]) {
        let place = self.rules.len();
        for pattern in &rule.mnemonics {
            let Some((first, last)) = pattern.key() else {
                self.open_patterns.add(pattern.anchor(), place);
                continue;
            };
            let known = self.group_of(first, last);
            if let Some(group) = known.and_then(|group| self.groups.get_mut(group)) {
                group.rules.push(place);
                continue;
            }
            let slot = u32::try_from(self.groups.len()).unwrap_or(u32::MAX);
            self.index.insert(self.hasher.hash(&[first, last]), slot);
            let (first, last) = (first.to_owned(), last.to_owned());
            self.groups.push(Group { first, last, rules: vec![place] });
        }
        if rule.mnemonics.is_empty() {
            match contains.iter().max_by_key(|literal| literal.len()) {
                Some(literal) => self.literals.add(literal, place),
                None => self.by_program.push(place),
            }
        }
        self.rules.push(rule);
    }
}

/// Memory of the search, kept between lines: the rules that a line is a candidate for, and the
/// groups of regular expressions. Belongs to one rule set.
#[derive(Default)]
pub(crate) struct Found {
    candidates: Vec<usize>,
    groups: Groups,
}

/// Nothing depends on the order of this index, so its seed is fixed.
const INDEX_SEED: u64 = 0x7619_0002;

/// The names of syslog rules.
struct SyslogNames<'a>(&'a [String]);

impl Names<SyslogReference> for SyslogNames<'_> {
    fn reference(&self, name: &str) -> Option<SyslogReference> {
        if let Some(place) = self.0.iter().position(|known| known == name) {
            return Some(match name {
                "interface" => SyslogReference::Interface(place),
                _ => SyslogReference::Value(place),
            });
        }
        match name {
            "message" => Some(SyslogReference::Message),
            "mnemonic" => Some(SyslogReference::Mnemonic),
            "program" => Some(SyslogReference::Program),
            "hostname" => Some(SyslogReference::Hostname),
            _ => None,
        }
    }

    fn number(&self, _: &str, _: &str) -> Option<i64> {
        None
    }

    fn known(&self) -> Vec<&str> {
        let taken = self.0.iter().map(String::as_str);
        taken.chain(["message", "mnemonic", "program", "hostname"]).collect()
    }
}

const SYSLOG_KEYS: [&str; 8] =
    ["mnemonic", "program", "contains", "without", "regex", "extract", "facility", "level"];

const LEVELS: [(&str, u8); 8] = [
    ("emergency", 0),
    ("alert", 1),
    ("critical", 2),
    ("error", 3),
    ("warning", 4),
    ("notice", 5),
    ("informational", 6),
    ("debug", 7),
];

const FACILITIES: [(&str, u8); 20] = [
    ("kern", 0),
    ("user", 1),
    ("mail", 2),
    ("daemon", 3),
    ("auth", 4),
    ("syslog", 5),
    ("lpr", 6),
    ("news", 7),
    ("uucp", 8),
    ("cron", 9),
    ("authpriv", 10),
    ("ftp", 11),
    ("local0", 16),
    ("local1", 17),
    ("local2", 18),
    ("local3", 19),
    ("local4", 20),
    ("local5", 21),
    ("local6", 22),
    ("local7", 23),
];
