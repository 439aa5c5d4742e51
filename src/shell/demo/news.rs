//! What changed from one version of the view to the next, as far as it is worth a line.

use super::judge::is_told;
use crate::engine::effect::{AlarmImage, IncidentImage, IncidentStatus, TicketImage, TicketState};
use crate::model::time::Timestamp;
use crate::shell::api::view::View;
use smol_str::SmolStr;
use std::collections::{BTreeMap, BTreeSet};

/// Something worth a line.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum News {
    AlarmRaised(Box<AlarmImage>),
    IncidentOpened(Box<IncidentImage>),
    /// Another root, or open again after it was restored.
    IncidentChanged(Box<IncidentImage>),
    IncidentRestored(Box<IncidentImage>),
    TicketOpened(Box<TicketImage>),
    TicketRestored(Box<TicketImage>),
    /// Cancelled, closed, or open again.
    TicketChanged(Box<TicketImage>),
    /// Open as before, of another nature: degraded service has become an outage.
    TicketOtherNature(Box<TicketImage>),
}

/// Remembers what was told.
#[derive(Debug, Default)]
pub(super) struct Newsroom {
    version: u64,
    active: BTreeSet<SmolStr>,
    incidents: BTreeMap<SmolStr, (IncidentStatus, SmolStr)>,
    tickets: BTreeMap<SmolStr, (TicketState, Option<SmolStr>)>,
    /// Alarms raised so far.
    pub(super) raised: u64,
    /// Incidents told so far.
    pub(super) opened: u64,
}

impl Newsroom {
    /// Alarms that are active now.
    pub(super) fn active(&self) -> usize {
        self.active.len()
    }

    /// Tickets told so far.
    pub(super) fn tickets(&self) -> usize {
        self.tickets.len()
    }

    /// What is new; alarms first, then incidents, then tickets.
    pub(super) fn read(&mut self, view: &View, at: Timestamp) -> Vec<News> {
        if view.version == self.version {
            return Vec::new();
        }
        self.version = view.version;
        let mut news = Vec::new();
        self.read_alarms(view, &mut news);
        for row in view.incidents.iter() {
            self.read_incident(&row.image, &mut news);
        }
        for row in view.tickets.iter() {
            self.read_ticket(&row.fixed.number, &row.image(at), &mut news);
        }
        news
    }

    fn read_alarms(&mut self, view: &View, news: &mut Vec<News>) {
        let mut active = BTreeSet::new();
        for row in view.alarms.iter().filter(|row| !row.fixed.is_cleared) {
            let image = row.image();
            // Things without a state are shown as alarms that are never active.
            if image.incident.is_none() {
                continue;
            }
            active.insert(image.id.clone());
            if !self.active.contains(&image.id) {
                self.raised = self.raised.saturating_add(1);
                news.push(News::AlarmRaised(Box::new(image)));
            }
        }
        self.active = active;
    }

    fn read_incident(&mut self, image: &IncidentImage, news: &mut Vec<News>) {
        if !is_told(image) {
            return;
        }
        let now = (image.status, image.root_resource.clone());
        let before = self.incidents.insert(image.id.clone(), now.clone());
        let image = Box::new(image.clone());
        match before {
            None => {
                self.opened = self.opened.saturating_add(1);
                let is_over = image.status != IncidentStatus::Open;
                news.push(News::IncidentOpened(image.clone()));
                if is_over {
                    news.push(News::IncidentRestored(image));
                }
            }
            Some(before) if before == now => {}
            Some((IncidentStatus::Open, _)) if now.0 != IncidentStatus::Open => {
                news.push(News::IncidentRestored(image));
            }
            Some(_) if now.0 == IncidentStatus::Open => {
                news.push(News::IncidentChanged(image));
            }
            Some(_) => {}
        }
    }

    fn read_ticket(&mut self, number: &str, image: &TicketImage, news: &mut Vec<News>) {
        let now = (image.state, image.nature.clone());
        let before = self.tickets.insert(number.into(), now);
        let is_open = matches!(image.state, TicketState::Acknowledged | TicketState::InProgress);
        let is_other = before.as_ref().is_some_and(|(_, nature)| *nature != image.nature);
        let image = Box::new(image.clone());
        match (before.map(|(state, _)| state), image.state) {
            (None, state) => {
                news.push(News::TicketOpened(image.clone()));
                if state == TicketState::Resolved {
                    news.push(News::TicketRestored(image));
                }
            }
            (Some(before), state) if before == state => {
                if is_open && is_other && image.nature.is_some() {
                    news.push(News::TicketOtherNature(image));
                }
            }
            (Some(_), TicketState::Resolved) => news.push(News::TicketRestored(image)),
            (Some(_), _) => news.push(News::TicketChanged(image)),
        }
    }
}
