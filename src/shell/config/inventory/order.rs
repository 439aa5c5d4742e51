//! What depends on what must have an order: cycles are named in full, and chains that are longer
//! than the engine looks are pointed out.

use crate::model::limits::DEPENDENCY_DEPTH_MAX;
use crate::shell::config::findings::{Findings, Place};
use crate::shell::config::inventory::names::{Kind, Names, NodeId};

/// Cycles named; mending one often mends its neighbours.
const CYCLES_MAX: usize = 10;
/// Names shown of a cycle; the rest is counted.
const CYCLE_NAMES_MAX: usize = 20;

/// A dependency: `from` needs `to`.
#[derive(Clone, Copy, Debug)]
pub(super) struct Edge {
    pub(super) from: NodeId,
    pub(super) to: NodeId,
    pub(super) place: Place,
}

/// Reports cycles, and the deepest chain if it is too deep.
pub(super) fn check(names: &Names, edges: &[Edge], findings: &mut Findings) {
    let graph = Graph::new(names, edges);
    let mut walk = Walk::new(names.nodes().len());
    for start in 0..names.nodes().len() {
        walk.visit(start, &graph);
    }
    for cycle in walk.cycles.iter().take(CYCLES_MAX) {
        report_cycle(names, cycle, findings);
    }
    if walk.cycles.is_empty()
        && let Some((node, depth)) = walk.deepest()
        && depth > DEPENDENCY_DEPTH_MAX
        && let Some(node) = names.node(node)
    {
        let message = format!("`{}` stands above {depth} levels of dependencies", node.name);
        let remedy = format!(
            "causes are looked for over {DEPENDENCY_DEPTH_MAX} levels: let it depend directly on \
             what matters"
        );
        findings.warning(node.place, message, remedy);
    }
}

/// For each node, what it needs. A component needs its device, unless the device says that it
/// needs that component (a router and its power supplies).
struct Graph {
    needs: Vec<Vec<(NodeId, Place)>>,
}

impl Graph {
    fn new(names: &Names, edges: &[Edge]) -> Self {
        let mut needs: Vec<Vec<(NodeId, Place)>> = vec![Vec::new(); names.nodes().len()];
        let mut is_part_needed = vec![false; names.nodes().len()];
        for edge in edges {
            if let Some(list) = needs.get_mut(edge.from) {
                list.push((edge.to, edge.place));
            }
            let target = names.node(edge.to).map(|node| node.kind);
            if target == Some(Kind::Component(edge.from))
                && let Some(flag) = is_part_needed.get_mut(edge.to)
            {
                *flag = true;
            }
        }
        let parts = names.nodes().iter().zip(&mut needs).zip(is_part_needed);
        for ((node, list), is_needed) in parts {
            if let (Kind::Component(device), false) = (node.kind, is_needed) {
                list.push((device, node.place));
            }
        }
        Self { needs }
    }

    fn needs(&self, node: NodeId) -> &[(NodeId, Place)] {
        self.needs.get(node).map_or(&[], Vec::as_slice)
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Mark {
    New,
    /// Its level on the stack.
    Open(usize),
    /// Levels below it.
    Done(usize),
}

/// A walk in depth with its own stack, since chains may be as long as the inventory.
struct Walk {
    marks: Vec<Mark>,
    cycles: Vec<Vec<(NodeId, Place)>>,
}

/// A node on the stack: how it was reached, which of its needs comes next, levels found below.
struct Level {
    node: NodeId,
    place: Option<Place>,
    next: usize,
    depth: usize,
}

impl Walk {
    fn new(nodes: usize) -> Self {
        Self { marks: vec![Mark::New; nodes], cycles: Vec::new() }
    }

    fn mark(&self, node: NodeId) -> Mark {
        self.marks.get(node).copied().unwrap_or(Mark::Done(0))
    }

    fn set(&mut self, node: NodeId, mark: Mark) {
        if let Some(place) = self.marks.get_mut(node) {
            *place = mark;
        }
    }

    fn visit(&mut self, start: NodeId, graph: &Graph) {
        if self.mark(start) != Mark::New {
            return;
        }
        let mut stack = vec![Level { node: start, place: None, next: 0, depth: 0 }];
        self.set(start, Mark::Open(0));
        while let Some(top) = stack.last_mut() {
            let Some((target, place)) = graph.needs(top.node).get(top.next).copied() else {
                let (node, depth) = (top.node, top.depth);
                self.set(node, Mark::Done(depth));
                stack.pop();
                if let Some(above) = stack.last_mut() {
                    above.depth = above.depth.max(depth + 1);
                }
                continue;
            };
            top.next += 1;
            match self.mark(target) {
                Mark::Done(depth) => top.depth = top.depth.max(depth + 1),
                Mark::Open(level) => self.add_cycle(&stack, level, place),
                Mark::New => {
                    self.set(target, Mark::Open(stack.len()));
                    stack.push(Level { node: target, place: Some(place), next: 0, depth: 0 });
                }
            }
        }
    }

    /// The stack from `level` up is a cycle; `place` closes it.
    fn add_cycle(&mut self, stack: &[Level], level: usize, place: Place) {
        if self.cycles.len() > CYCLES_MAX {
            return;
        }
        let levels = stack.get(level..).unwrap_or(&[]);
        let places = levels.iter().skip(1).map(|each| each.place).chain([Some(place)]);
        let cycle = levels
            .iter()
            .zip(places)
            .map(|(each, reached)| (each.node, reached.unwrap_or(place)))
            .collect();
        self.cycles.push(cycle);
    }

    fn deepest(&self) -> Option<(NodeId, usize)> {
        let mut best = None;
        for (node, mark) in self.marks.iter().enumerate() {
            if let Mark::Done(depth) = mark
                && best.is_none_or(|(_, most)| *depth > most)
            {
                best = Some((node, *depth));
            }
        }
        best
    }
}

fn report_cycle(names: &Names, cycle: &[(NodeId, Place)], findings: &mut Findings) {
    let Some((first, place)) = cycle.first().copied() else { return };
    let mut shown: Vec<String> = cycle
        .iter()
        .take(CYCLE_NAMES_MAX)
        .filter_map(|(id, _)| names.node(*id))
        .map(|node| node.name.clone())
        .collect();
    if cycle.len() > CYCLE_NAMES_MAX {
        shown.push(format!("{} others", cycle.len() - CYCLE_NAMES_MAX));
    }
    shown.extend(names.node(first).map(|node| node.name.clone()));
    findings.error(
        place,
        format!("a cycle of dependencies: {}", shown.join(" → ")),
        "remove one of them; in a ring, let every member depend on the head ends \
         ({ any_of = [\"head-1\", \"head-2\"] })",
    );
}
