//! What breaks: who notices and says what, who falls silent, and which root vigie is to name.

use super::notice::{AlarmKey, LOW_BATTERY, Notice, ON_BATTERY, OUTPUT_OFF, What};
use super::plan::{Datacenter, End, Place, Role};
use super::random::Random;
use std::collections::BTreeSet;

/// Kinds of faults.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) enum Kind {
    Aggregation,
    TopOfRack,
    Power,
    Fibre,
    Hypervisor,
    LineCard,
    Optic,
}

impl Kind {
    pub(super) const ALL: [Self; 7] = [
        Self::Aggregation,
        Self::TopOfRack,
        Self::Power,
        Self::Fibre,
        Self::Hypervisor,
        Self::LineCard,
        Self::Optic,
    ];
}

/// A fault, before it is staged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    pub(super) kind: Kind,
    /// What happens, for the audience.
    pub(super) title: String,
    /// Resources of which vigie may name any as the root. More than one where nobody could tell
    /// them apart from outside: the two ends of a cut fibre.
    pub(super) roots: BTreeSet<String>,
    /// What is said when it breaks.
    pub(super) breaks: Vec<Notice>,
    /// What is said when it is mended.
    pub(super) mends: Vec<Notice>,
    /// Devices that say nothing in between.
    pub(super) silent: BTreeSet<Place>,
    /// An optic that receives less and less light before anything is said.
    pub(super) fades: Option<End>,
}

impl Fault {
    /// A fault of that kind, somewhere.
    pub(super) fn of(kind: Kind, plan: &Datacenter, random: &mut Random) -> Self {
        let mut scene = Scene::new(plan, random.next());
        match kind {
            Kind::Aggregation => {
                let place = *random.choose(&plan.aggregations).expect("there are two");
                scene.device_dies(place, 0);
                let name = &plan.device(place).name;
                scene.fault(kind, format!("aggregation switch {name} dies without a word"), &[name])
            }
            Kind::TopOfRack => {
                let rack = random.choose(&plan.racks).expect("there are racks");
                let place = *random.choose(&rack.switches).expect("every rack has a switch");
                scene.device_dies(place, 0);
                let name = &plan.device(place).name;
                scene.fault(kind, format!("top-of-rack switch {name} dies without a word"), &[name])
            }
            Kind::Power => {
                let rack = random.choose(&plan.racks).expect("there are racks").number;
                scene.rack_loses_power(rack)
            }
            Kind::Fibre => {
                let above = *random.choose(&plan.routers).expect("there are two");
                let below = *random.choose(&plan.aggregations).expect("there are two");
                scene.fibre_is_cut(above, below)
            }
            Kind::Hypervisor => {
                let rack = random.choose(&plan.racks).expect("there are racks");
                let number = random.below(2);
                let place = *rack.hypervisors.get(number).expect("every rack has four at least");
                scene.hypervisor_crashes(place)
            }
            Kind::LineCard => {
                let place = *random.choose(&plan.aggregations).expect("there are two");
                let card = u32::try_from(random.below(3)).unwrap_or(0).saturating_add(1);
                scene.card_fails(place, card)
            }
            Kind::Optic => {
                let single = plan.racks.iter().filter(|rack| rack.switches.len() == 1);
                let single: Vec<Place> =
                    single.filter_map(|rack| rack.hypervisors.first().copied()).collect();
                let place = *random.choose(&single).expect("eight racks have one switch");
                scene.optic_fades(place)
            }
        }
    }

    /// The alarms that it raises.
    pub(super) fn alarms(&self, plan: &Datacenter) -> BTreeSet<AlarmKey> {
        let told = self.breaks.iter().filter_map(|notice| notice.alarm(plan));
        let told = told.filter_map(|(key, is_raise)| is_raise.then_some(key));
        told.chain(self.first_sign(plan)).collect()
    }

    /// The alarm by which samples show it before anything is said.
    pub(super) fn first_sign(&self, plan: &Datacenter) -> Option<AlarmKey> {
        self.fades.map(|end| AlarmKey {
            resource: plan.port_name(end),
            alarm_type: "transceiver-threshold",
            qualifier: "rx-power".to_owned(),
        })
    }

    /// How long it takes until the first word of it, ms.
    pub(super) fn smoulders_ms(&self) -> u64 {
        self.breaks.first().map_or(0, |notice| notice.after_ms)
    }

    /// Ports whose links it takes down.
    pub(super) fn dark(&self) -> impl Iterator<Item = End> {
        self.breaks.iter().filter_map(|notice| match notice.what {
            What::LinkTrap { port, is_up: false } => Some(End { device: notice.from, port }),
            _ => None,
        })
    }

    /// Devices that report something of it.
    pub(super) fn reporters(&self) -> BTreeSet<Place> {
        self.breaks.iter().map(|notice| notice.from).collect()
    }
}

/// A fault in the making. What breaks first comes back first.
struct Scene<'p> {
    plan: &'p Datacenter,
    random: Random,
    breaks: Vec<Notice>,
    mends: Vec<Notice>,
    silent: BTreeSet<Place>,
    fades: Option<End>,
}

impl<'p> Scene<'p> {
    fn new(plan: &'p Datacenter, seed: u64) -> Self {
        Self {
            plan,
            random: Random::new(seed),
            breaks: Vec::new(),
            mends: Vec::new(),
            silent: BTreeSet::new(),
            fades: None,
        }
    }

    fn fault(mut self, kind: Kind, title: String, roots: &[&str]) -> Fault {
        self.breaks.sort_by_key(|notice| notice.after_ms);
        self.mends.sort_by_key(|notice| notice.after_ms);
        Fault {
            kind,
            title,
            roots: roots.iter().map(|root| (*root).to_owned()).collect(),
            breaks: self.breaks,
            mends: self.mends,
            silent: self.silent,
            fades: self.fades,
        }
    }

    /// Everybody beside it sees links and sessions fail.
    fn device_dies(&mut self, place: Place, after_ms: u64) {
        self.silent.insert(place);
        let links = self.plan.links(place);
        for (_, peer) in &links {
            if !self.silent.contains(&peer.device) {
                self.link_fails(*peer, after_ms);
            }
        }
        let neighbours: BTreeSet<Place> = links.iter().map(|(_, peer)| peer.device).collect();
        for neighbour in neighbours {
            if !self.silent.contains(&neighbour) {
                self.session_fails(neighbour, place, after_ms.saturating_add(SESSIONS_AFTER_MS));
            }
        }
        self.mends.push(Notice { from: place, after_ms: 0, what: What::ColdStart });
    }

    fn rack_loses_power(mut self, number: u8) -> Fault {
        let rack = self
            .plan
            .racks
            .iter()
            .find(|rack| rack.number == number)
            .expect("the rack is one of the plan's");
        let ups = rack.ups;
        let say = |after_ms, what| Notice { from: ups, after_ms, what };
        self.breaks.push(say(0, What::OnBattery));
        for (alarm, after_ms) in [(ON_BATTERY, 30), (LOW_BATTERY, 150), (OUTPUT_OFF, 300)] {
            self.breaks.push(say(after_ms, What::UpsAlarm { alarm, is_there: true }));
            self.mends.push(say(after_ms, What::UpsAlarm { alarm, is_there: false }));
        }
        self.silent.extend(rack.hypervisors.iter().copied());
        self.silent.extend(rack.switches.iter().copied());
        self.silent.insert(ups.saturating_add(1));
        for switch in &rack.switches {
            self.device_dies(*switch, 400);
        }
        let name = &self.plan.device(ups).name;
        let title = format!("{name} runs out of battery: rack {number} goes dark");
        self.fault(Kind::Power, title, &[name])
    }

    fn fibre_is_cut(mut self, above: Place, below: Place) -> Fault {
        let links = self.plan.links_between(below, above);
        let (near, far) = *links.first().expect("every aggregation switch has both routers");
        self.link_fails(near, 0);
        self.link_fails(far, 0);
        self.session_fails(above, below, SESSIONS_AFTER_MS);
        self.session_fails(below, above, SESSIONS_AFTER_MS);
        let (near, far) = (self.plan.port_name(near), self.plan.port_name(far));
        self.fault(Kind::Fibre, format!("the fibre from {near} to {far} is cut"), &[&near, &far])
    }

    fn hypervisor_crashes(mut self, place: Place) -> Fault {
        let device = self.plan.device(place);
        let title = format!("hypervisor {} crashes", device.name);
        if !self.plan.links(place).is_empty() {
            self.device_dies(place, 0);
            return self.fault(Kind::Hypervisor, title, &[&device.name]);
        }
        // The port is all that shows.
        let end = self.port_needed_by(place);
        self.silent.insert(place);
        self.link_fails(end, 0);
        let port = self.plan.port_name(end);
        self.fault(Kind::Hypervisor, title, &[&port, &device.name])
    }

    /// The port of a server with one link, that the inventory knows as what the server needs.
    fn port_needed_by(&self, place: Place) -> End {
        let needs = &self.plan.device(place).needs;
        let needed = needs.iter().flatten().find_map(|need| {
            self.plan.devices.iter().enumerate().find_map(|(place, device)| {
                let name = need.strip_prefix(&device.name)?.strip_prefix('/')?;
                let port = device.ports.iter().position(|known| known.name == name)?;
                Some(End { device: place, port })
            })
        });
        needed.expect("a server without known links needs a port")
    }

    /// The samples of its port say so first; the link holds a while longer. Until then nobody
    /// else notices anything.
    fn optic_fades(mut self, below: Place) -> Fault {
        let end = self.port_needed_by(below);
        self.fades = Some(end);
        self.silent.insert(below);
        self.link_fails(end, FADES_FOR_MS);
        let port = self.plan.port_name(end);
        for notice in &mut self.mends {
            notice.after_ms = notice.after_ms.saturating_sub(FADES_FOR_MS);
        }
        let title = format!("the optic of {port} fades: 7 dB less light every second");
        self.fault(Kind::Optic, title, &[&port])
    }

    /// The card's alarm, then its ports, then the other ends, then the sessions.
    fn card_fails(mut self, place: Place, card: u32) -> Fault {
        let prefix = format!("Ethernet{card}/");
        let links: Vec<(End, End)> = self
            .plan
            .links(place)
            .into_iter()
            .filter(|(near, _)| self.plan.port(*near).name.starts_with(&prefix))
            .collect();
        let say =
            |is_up| Notice { from: place, after_ms: 0, what: What::Module { number: card, is_up } };
        self.breaks.push(say(false));
        self.mends.push(say(true));
        for (near, far) in &links {
            self.link_fails(*near, 50);
            self.link_fails(*far, 450);
        }
        let neighbours: BTreeSet<Place> = links.iter().map(|(_, far)| far.device).collect();
        for neighbour in neighbours {
            self.session_fails(neighbour, place, 800);
            self.session_fails(place, neighbour, 800);
        }
        let name = &self.plan.device(place).name;
        let title = format!("line card {card} of {name} fails, with {} links", links.len());
        self.fault(Kind::LineCard, title, &[name, &format!("{name}/entity {card}")])
    }

    /// A device reports its end of a link, in each way that it can.
    fn link_fails(&mut self, end: End, after_ms: u64) {
        let after_ms = after_ms.saturating_add(self.spread_ms());
        let End { device, port } = end;
        let ways: &[fn(usize, bool) -> What] = match self.plan.device(device).role {
            Role::Hypervisor => &[|port, is_up| What::UplinkLine { port, is_up }],
            _ => &[
                |port, is_up| What::LinkTrap { port, is_up },
                |port, is_up| What::LinkLine { port, is_up },
                |port, is_up| What::ProtocolLine { port, is_up },
            ],
        };
        for (way, delay_ms) in ways.iter().zip([0, 5, 10]) {
            self.tell(device, after_ms.saturating_add(delay_ms), |is_up| way(port, is_up));
        }
    }

    /// A router or switch loses what it had with a neighbour.
    fn session_fails(&mut self, here: Place, there: Place, after_ms: u64) {
        let routes = |place| {
            let role = self.plan.device(place).role;
            matches!(role, Role::Router | Role::Aggregation | Role::TopOfRack)
        };
        if !routes(here) || !routes(there) {
            return;
        }
        let peer = self.plan.device(there).address;
        let after_ms = after_ms.saturating_add(self.spread_ms());
        self.tell(here, after_ms, |is_up| What::OspfTrap { peer, is_up });
        self.tell(here, after_ms.saturating_add(5), |is_up| What::OspfLine { peer, is_up });
        self.tell(here, after_ms.saturating_add(10), |is_up| What::BgpTrap { peer, is_up });
        self.tell(here, after_ms.saturating_add(15), |is_up| What::BgpLine { peer, is_up });
    }

    /// Said when it breaks, once more a while later, and the contrary when it is mended.
    fn tell(&mut self, from: Place, after_ms: u64, what: impl Fn(bool) -> What) {
        let again_ms = after_ms.saturating_add(REPEAT_AFTER_MS);
        self.breaks.push(Notice { from, after_ms, what: what(false) });
        self.breaks.push(Notice { from, after_ms: again_ms, what: what(false) });
        self.mends.push(Notice { from, after_ms, what: what(true) });
    }

    fn spread_ms(&mut self) -> u64 {
        u64::try_from(self.random.below(SPREAD_MS)).unwrap_or(0)
    }
}

/// Reports of one cause come in within this time, ms.
const SPREAD_MS: usize = 300;
/// A link holds for so long after its optic has begun to fade, ms: until samples have opened a
/// ticket.
const FADES_FOR_MS: u64 = 6_500;
/// Routing protocols notice later than interfaces, ms.
const SESSIONS_AFTER_MS: u64 = 350;
/// Equipment that is not heard says it again, ms.
const REPEAT_AFTER_MS: u64 = 2_400;
