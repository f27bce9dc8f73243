//! All moves: everything that can happen between any two steps of a pass.

use directconnect_core::desired::EncryptionMode;

use super::process::{Mishap, Pending};
use super::state::State;
use super::world::{MAX_LIVES, Must, No, Should, Spec, region};

/// Something that happens.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Move {
    /// The leader makes its next step.
    Go,
    /// Time passes by one tick, and AWS is listed.
    Tick,
    /// The process that has lost the lease makes its next step.
    DeposedGoes,
    /// The watch of the leader continues after a stall.
    WatchGoesOn,
    // All moves below count.
    /// A tick passes in the middle of a pass.
    Dawdles,
    /// Three ticks pass without any listing, so that reads become too old.
    Blackout,
    /// Another pass makes its next step first.
    Switches(usize),
    /// The next step of the leader fails.
    Fails(Mishap),
    /// The leader crashes. An update in flight takes effect later (`lands`) or never.
    Crash {
        lands: bool,
    },
    /// The leader loses the lease without noticing.
    Deposed {
        lands: bool,
    },
    WatchStalls,
    StandbyStalls,
    /// The watch of the leader delivers one of its pending events.
    WatchBringsOne,
    /// AWS is listed now.
    Listed,
    /// AWS is listed now, and the answer comes at the next tick.
    ListedSlowly,
    RegionTurns(usize),
    FoundTurns(usize),
    /// Reads show the mode from before the last update, within the settle window.
    ReadsLate(usize),
    KeyTurns(usize),
    SessionTurns(usize),
    LightTurns(usize),
    LagTurns(usize),
    StrangeTurns(usize),
    /// Another writer sets the mode.
    SomeoneSets(usize, EncryptionMode),
    /// People change the spec.
    ChangesSpec(usize, Spec),
    /// The object is deleted, but kept by a finalizer.
    BeginsToGo(usize),
    Goes(usize),
    /// The object is created again.
    Comes(usize),
    // The moves below are made by walks, and in stories of one move.
    /// Five seconds pass, without a listing.
    Waits,
    /// An hour passes, without a listing.
    HourPasses,
    /// The watch of the leader, or of the standby, begins anew with a list.
    WatchBeginsAnew,
    StandbyBeginsAnew,
    /// Pollers begin and end with the regions that are needed. At each tick they do so anyway.
    PollersFollow,
    /// AWS answers the read that is next, and the answer comes with the next step of the pass.
    ReadsSlowly,
    /// A pass panics or takes too long. What it has on its way is carried out or not.
    BreaksOff(usize, bool),
    /// Reads lack the mode, the owner, or whether the port is capable of MACsec.
    HidesMode(usize),
    HidesOwner(usize),
    HidesCapability(usize),
    /// The key goes back to being associated, or is associated.
    AssociationTurns(usize),
    /// AWS deletes the connection.
    LinkGoes(usize),
    /// People ask for a read by annotation.
    AsksForRead(usize),
    /// The status of an object is emptied.
    WipesStatus(usize),
    /// The object is created again, for another link.
    ComesFor(usize, usize),
    /// The object is created again with its last status, as from a backup.
    IsRestored(usize),
}

impl Move {
    /// Whether the move counts against the bound.
    pub fn counts(self) -> bool {
        !matches!(self, Self::Go | Self::Tick | Self::DeposedGoes | Self::WatchGoesOn)
    }

    /// Whether only walks make this move, and stories of one move. Others would take too long with it.
    pub fn is_for_walks(self) -> bool {
        matches!(
            self,
            Self::Waits
                | Self::HourPasses
                | Self::WatchBeginsAnew
                | Self::StandbyBeginsAnew
                | Self::PollersFollow
                | Self::ReadsSlowly
                | Self::BreaksOff(..)
                | Self::HidesMode(_)
                | Self::HidesOwner(_)
                | Self::HidesCapability(_)
                | Self::AssociationTurns(_)
                | Self::LinkGoes(_)
                | Self::AsksForRead(_)
                | Self::WipesStatus(_)
                | Self::ComesFor(..)
                | Self::IsRestored(_)
                | Self::Fails(Mishap::Denied | Mishap::ThrottledBriefly | Mishap::NotStored)
        )
    }
}

/// All moves that are possible in a state.
pub fn moves(state: &State, specs: &[Spec], moves: &mut Vec<Move>) {
    let leader = &state.leader;
    let next = leader.next_up();
    moves.push(if next.is_some() { Move::Go } else { Move::Tick });
    if state.deposed.is_some() {
        moves.push(Move::DeposedGoes);
    }
    if leader.is_stalled && next.is_none() {
        moves.push(Move::WatchGoesOn);
    }
    if !leader.queue.is_empty() {
        moves.push(Move::WatchBringsOne);
    }
    if !leader.is_stalled {
        moves.push(Move::WatchStalls);
    }
    if state.standby.as_ref().is_some_and(|standby| !standby.is_stalled) {
        moves.push(Move::StandbyStalls);
    }
    moves.push(Move::Blackout);
    if next.is_some() {
        moves.push(Move::Dawdles);
    }
    moves.extend(leader.others().map(Move::Switches));
    if let Some(pending) = leader.pending() {
        moves.extend(mishaps(pending).iter().map(|&mishap| Move::Fails(mishap)));
    }
    let is_calling = leader.passes.iter().any(|running| matches!(running.at, Pending::Call(..)));
    let fates = if is_calling { &[false, true][..] } else { &[false] };
    moves.extend(fates.iter().map(|&lands| Move::Crash { lands }));
    if state.standby.is_some() && state.deposed.is_none() && !leader.passes.is_empty() {
        moves.extend(fates.iter().map(|&lands| Move::Deposed { lands }));
    }
    by_time_and_watches(state, moves);
    by_aws(state, moves);
    by_people(state, specs, moves);
}

fn by_time_and_watches(state: &State, moves: &mut Vec<Move>) {
    moves.extend([Move::Waits, Move::HourPasses, Move::WatchBeginsAnew]);
    if state.standby.is_some() {
        moves.push(Move::StandbyBeginsAnew);
    }
    if state.leader.is_behind() {
        moves.push(Move::PollersFollow);
    }
    if state.leader.pending() == Some(&Pending::Read) {
        moves.push(Move::ReadsSlowly);
    }
    for running in &state.leader.passes {
        moves.extend([false, true].map(|took| Move::BreaksOff(running.who, took)));
    }
}

fn by_aws(state: &State, moves: &mut Vec<Move>) {
    moves.push(Move::Listed);
    if !state.world.is_unreadable[0] && state.leader.reads(&region(0)) {
        moves.push(Move::ListedSlowly);
    }
    moves.extend(state.world.regions().into_iter().map(Move::RegionTurns));
    for (at, link) in state.world.links.iter().enumerate() {
        moves.extend([Move::HidesMode(at), Move::HidesOwner(at), Move::HidesCapability(at)]);
        if link.key.is_some() {
            moves.push(Move::AssociationTurns(at));
        }
        if !link.is_deleted {
            moves.push(Move::LinkGoes(at));
        }
        moves.extend([Move::KeyTurns(at), Move::SessionTurns(at), Move::LightTurns(at)]);
        moves.extend([Move::StrangeTurns(at), Move::FoundTurns(at)]);
        moves.push(Move::LagTurns(at));
        if !link.is_late && link.before.is_some_and(|(_, until)| state.world.now <= until) {
            moves.push(Move::ReadsLate(at));
        }
        let others = [No, Should, Must].into_iter().filter(|mode| *mode != link.mode);
        moves.extend(others.map(|mode| Move::SomeoneSets(at, mode)));
    }
}

fn by_people(state: &State, specs: &[Spec], moves: &mut Vec<Move>) {
    for (at, (object, gone)) in state.world.objects.iter().zip(&state.gone).enumerate() {
        match object {
            None if gone.as_ref().is_some_and(|gone| gone.life < MAX_LIVES) => {
                moves.extend([Move::Comes(at), Move::IsRestored(at)]);
                moves.extend((0..state.world.links.len()).map(|link| Move::ComesFor(at, link)));
            }
            None => {}
            Some(object) => {
                moves.extend([Move::Goes(at), Move::AsksForRead(at), Move::WipesStatus(at)]);
                if !object.is_being_deleted {
                    moves.push(Move::BeginsToGo(at));
                    moves.extend(
                        specs.iter().filter(|&spec| *spec != object.spec).map(|&spec| Move::ChangesSpec(at, spec)),
                    );
                }
            }
        }
    }
}

fn mishaps(pending: &Pending) -> &'static [Mishap] {
    const LOST: [Mishap; 2] = [Mishap::Lost { took: true }, Mishap::Lost { took: false }];
    match pending {
        Pending::Read | Pending::Reading(..) => &[Mishap::Refused],
        // A lost write that was not carried out is the same as a refused one.
        Pending::Write(..) | Pending::Rest(..) => &[Mishap::Refused, LOST[0]],
        Pending::Call(..) => &[
            Mishap::Refused,
            Mishap::Rejected,
            Mishap::Denied,
            Mishap::ThrottledBriefly,
            Mishap::NotStored,
            LOST[0],
            LOST[1],
        ],
        Pending::Pace | Pending::Written(_) | Pending::Answer(_) | Pending::Cut => &[],
    }
}
