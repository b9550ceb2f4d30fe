use super::*;
use crate::rotation::journal::Journal;

const OLD: &str = "AKIAOLD";
const NEW: &str = "AKIANEW";
const OTHER: &str = "AKIAOTHER";

fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(1_000)
}

fn key(id: &str, status: KeyStatus) -> ListedKey {
    // The old and the other one are as old as the hills, the new one is not.
    let age = if id == NEW { 1 } else { 900 * 60 };
    ListedKey {
        id: id.into(),
        status,
        created: Some(now() - SignedDuration::from_mins(age)),
    }
}

fn active(id: &str) -> ListedKey {
    key(id, KeyStatus::Active)
}

fn off(id: &str) -> ListedKey {
    key(id, KeyStatus::Inactive)
}

fn journal(stage: Stage) -> Journal {
    let at = now() - SignedDuration::from_mins(2);
    let mut journal = Journal::begin(&"prod".parse().expect("a profile"), OLD, vec![OLD.into()], at);
    journal.stage = stage;
    if stage > Stage::Creating {
        journal.new = Some(NEW.into());
        journal.attempts.clear();
    }
    journal
}

fn facts(stage: Option<Stage>, entry: &str, listed: &[ListedKey]) -> Facts {
    Facts {
        journal: stage.map(journal),
        entry: entry.into(),
        generation: if entry == OLD { 1 } else { 2 },
        waiting: Waiting::Nothing,
        listed: listed.to_vec(),
        uses: BTreeMap::new(),
        aim: Aim::Rotate,
        progress: Progress::Nothing,
        given_up: None,
        now: now(),
    }
}

fn opened(trial: Trial) -> Waiting {
    Waiting::Opened {
        id: NEW.into(),
        generation: 2,
        trial,
    }
}

#[test]
fn a_user_with_one_active_key_gets_another() {
    assert_eq!(next(&facts(None, OLD, &[active(OLD)])), Step::Create);
    assert_eq!(next(&facts(None, OLD, &[])), Step::Stop(Obstacle::OwnMissing));
    assert_eq!(next(&facts(None, OLD, &[off(OLD)])), Step::Stop(Obstacle::OwnInactive));
}

#[test]
fn a_key_that_is_not_ours_is_looked_at_and_left_alone_until_somebody_gives_it_up() {
    let mut facts = facts(None, OLD, &[active(OLD), active(OTHER)]);
    assert_eq!(next(&facts), Step::AskUse(OTHER.into()));
    facts.uses.insert(OTHER.into(), Use::Never);
    assert_eq!(next(&facts), Step::Stop(Obstacle::Other(active(OTHER), Use::Never)));
    facts.given_up = Some(OTHER.into());
    assert_eq!(next(&facts), Step::DeleteOther(OTHER.into()));
}

#[test]
fn a_key_that_came_into_being_when_one_was_asked_for_and_was_never_used_is_an_orphan() {
    let mut facts = facts(Some(Stage::Creating), OLD, &[active(OLD), active(NEW)]);
    assert_eq!(next(&facts), Step::AskUse(NEW.into()));
    facts.uses.insert(NEW.into(), Use::Never);
    assert_eq!(next(&facts), Step::RemoveOrphan(NEW.into()));
    // Somebody uses it, or it was there before, or came much later: then it is not ours.
    facts.uses.insert(
        NEW.into(),
        Use::Last(LastUse {
            at: now(),
            service: "s3".into(),
        }),
    );
    assert!(matches!(next(&facts), Step::Stop(Obstacle::Other(..))));
    facts.uses.insert(NEW.into(), Use::NotTold);
    assert!(matches!(next(&facts), Step::Stop(Obstacle::Other(..))));
    facts.uses.insert(NEW.into(), Use::Never);
    facts.listed[1].created = Some(now() + SignedDuration::from_hours(1));
    assert!(matches!(next(&facts), Step::Stop(Obstacle::Other(..))));
    facts.listed[1].created = Some(now());
    facts.journal.as_mut().expect("a journal").known.push(NEW.into());
    assert!(matches!(next(&facts), Step::Stop(Obstacle::Other(..))));
}

#[test]
fn an_attempt_of_which_nothing_is_seen_is_made_again() {
    assert_eq!(next(&facts(Some(Stage::Creating), OLD, &[active(OLD)])), Step::Create);
}

#[test]
fn a_waiting_key_is_opened_tried_and_switched_to() {
    for stage in [
        None,
        Some(Stage::Creating),
        Some(Stage::Proving),
        Some(Stage::Switching),
    ] {
        let mut facts = facts(stage, OLD, &[active(OLD), active(NEW)]);
        facts.waiting = Waiting::Sealed;
        assert_eq!(next(&facts), Step::Open, "{stage:?}");
        facts.waiting = opened(Trial::Untried);
        assert_eq!(next(&facts), Step::Try, "{stage:?}");
        facts.waiting = opened(Trial::Works);
        assert_eq!(next(&facts), Step::Switch, "{stage:?}");
        facts.waiting = opened(Trial::Unknown);
        assert_eq!(next(&facts), Step::Stop(Obstacle::NotYet(NEW.into())), "{stage:?}");
    }
}

#[test]
fn the_only_copy_of_a_secret_is_thrown_away_only_when_aws_has_long_forgotten_the_key() {
    let mut facts = facts(Some(Stage::Proving), OLD, &[active(OLD)]);
    facts.waiting = opened(Trial::Untried);
    assert_eq!(next(&facts), Step::Try);
    facts.waiting = opened(Trial::Works);
    assert_eq!(next(&facts), Step::Switch, "IAM only lists it late");
    facts.waiting = opened(Trial::Unknown);
    assert_eq!(next(&facts), Step::Stop(Obstacle::NotYet(NEW.into())));
    facts.now = now() + SignedDuration::from_hours(1);
    assert_eq!(next(&facts), Step::DropWaiting(None));
}

#[test]
fn a_waiting_key_that_was_switched_off_is_dropped_while_the_old_one_works() {
    let mut facts = facts(Some(Stage::Proving), OLD, &[active(OLD), off(NEW)]);
    facts.waiting = opened(Trial::Untried);
    assert_eq!(next(&facts), Step::DropWaiting(Some(NEW.into())));
    facts.listed[0].status = KeyStatus::Inactive;
    assert_eq!(next(&facts), Step::Stop(Obstacle::BothOff(NEW.into())));
}

#[test]
fn a_waiting_key_works_on_when_the_old_one_has_gone() {
    for listed in [&[active(NEW)][..], &[off(OLD), active(NEW)]] {
        let mut facts = facts(Some(Stage::Proving), OLD, listed);
        facts.waiting = opened(Trial::Works);
        assert_eq!(next(&facts), Step::Switch);
    }
}

#[test]
fn a_waiting_key_of_an_entry_that_was_replaced_is_deleted_only_if_this_rotation_made_it() {
    let mut facts = facts(Some(Stage::Proving), OTHER, &[active(OTHER), active(NEW)]);
    facts.waiting = opened(Trial::Untried);
    assert_eq!(next(&facts), Step::DropWaiting(Some(NEW.into())));
    facts.journal = None;
    assert_eq!(
        next(&facts),
        Step::DropWaiting(None),
        "an old file that somebody put there"
    );
}

#[test]
fn a_copy_of_the_entry_that_came_back_is_dropped() {
    let mut facts = facts(Some(Stage::Retired), NEW, &[off(OLD), active(NEW)]);
    facts.waiting = opened(Trial::Untried);
    assert_eq!(next(&facts), Step::DropWaiting(None));
}

#[test]
fn after_the_switch_the_old_key_is_switched_off_and_noted() {
    for stage in [Stage::Proving, Stage::Switching, Stage::Retiring] {
        let step = |listed: &[ListedKey]| next(&facts(Some(stage), NEW, listed));
        assert_eq!(
            step(&[active(OLD), active(NEW)]),
            Step::Deactivate(OLD.into()),
            "{stage:?}"
        );
        assert_eq!(step(&[off(OLD), active(NEW)]), Step::NoteRetired, "{stage:?}");
        assert_eq!(step(&[active(NEW)]), Step::DropJournal, "{stage:?}");
    }
}

#[test]
fn a_sealed_key_whose_file_was_lost_is_an_orphan_by_name() {
    for stage in [Stage::Proving, Stage::Switching] {
        let mut facts = facts(Some(stage), OLD, &[active(OLD), active(NEW)]);
        assert_eq!(next(&facts), Step::AskUse(NEW.into()));
        let used = |service: &str| {
            Use::Last(LastUse {
                at: now(),
                service: service.into(),
            })
        };
        for ours in [Use::Never, Use::NotTold, used("sts")] {
            facts.uses.insert(NEW.into(), ours);
            assert_eq!(next(&facts), Step::RemoveOrphan(NEW.into()));
        }
        facts.uses.insert(NEW.into(), used("s3"));
        assert_eq!(next(&facts), Step::DropJournal, "somebody uses it");
    }
}

#[test]
fn a_retired_key_is_deleted_when_asked_for_or_at_the_next_rotation() {
    let mut facts = facts(Some(Stage::Retired), NEW, &[off(OLD), active(NEW)]);
    assert_eq!(next(&facts), Step::DeleteRetired(OLD.into()), "the next rotation");
    facts.aim = Aim::Finish;
    assert_eq!(next(&facts), Step::DeleteRetired(OLD.into()));
    facts.progress = Progress::Made;
    facts.aim = Aim::Rotate;
    assert_eq!(next(&facts), Step::Done, "this rotation has just switched it off");
    facts.aim = Aim::RotateAndDelete;
    assert_eq!(next(&facts), Step::DeleteRetired(OLD.into()));
    facts.listed.remove(0);
    assert_eq!(next(&facts), Step::DropJournal);
}

#[test]
fn an_old_key_that_somebody_switched_on_again_is_not_deleted_unasked() {
    let mut facts = facts(Some(Stage::Retired), NEW, &[active(OLD), active(NEW)]);
    assert_eq!(next(&facts), Step::Stop(Obstacle::Reactivated(active(OLD))));
    facts.given_up = Some(OLD.into());
    assert_eq!(next(&facts), Step::DeleteOther(OLD.into()));
}

/// Every combination of what can be found, followed to its end with an AWS that does what it is told.
#[test]
fn from_wherever_it_begins_it_comes_to_an_end_and_never_deletes_the_key_that_the_entry_has() {
    let mut seen = 0;
    let statuses = [None, Some(KeyStatus::Active), Some(KeyStatus::Inactive)];
    let stages = std::iter::once(None).chain(Stage::ALL.map(Some));
    for stage in stages {
        for entry in [OLD, NEW, OTHER] {
            for listed in each_list(&statuses) {
                for waits in [Waiting::Nothing, Waiting::Sealed] {
                    for aim in [Aim::Rotate, Aim::RotateAndDelete, Aim::Finish] {
                        for used in [Use::Never, Use::NotTold] {
                            let mut facts = facts(stage, entry, &listed);
                            (facts.waiting, facts.aim) = (waits.clone(), aim);
                            let start = format!("{stage:?} {entry} {listed:?} {waits:?} {aim:?}");
                            follow(facts, &used, &start);
                            seen += 1;
                        }
                    }
                }
            }
        }
    }
    assert!(seen > 5_000, "{seen} beginnings");
}

fn each_list(statuses: &[Option<KeyStatus>; 3]) -> Vec<Vec<ListedKey>> {
    let mut lists = vec![Vec::new()];
    for id in [OLD, NEW, OTHER] {
        lists = lists
            .iter()
            .flat_map(|list| {
                statuses.iter().map(move |status| {
                    let mut list = list.clone();
                    list.extend(status.map(|status| key(id, status)));
                    list
                })
            })
            .collect();
    }
    lists
}

/// Does to the facts what each step does to the world.
fn follow(mut facts: Facts, used: &Use, start: &str) {
    for _ in 0..20 {
        let step = next(&facts);
        if let Step::RemoveOrphan(id)
        | Step::DeleteRetired(id)
        | Step::DeleteOther(id)
        | Step::Deactivate(id)
        | Step::DropWaiting(Some(id)) = &step
        {
            assert_ne!(*id, facts.entry, "{start}: {step:?}");
        }
        let journal_to = |facts: &mut Facts, stage| {
            if let Some(journal) = &mut facts.journal {
                journal.stage = stage;
                journal.new = Some(NEW.into());
            }
        };
        match step {
            Step::Done | Step::Stop(_) => return,
            Step::AskUse(id) => {
                facts.uses.insert(id, used.clone());
            }
            Step::RemoveOrphan(id) => {
                facts.listed.retain(|key| key.id != id);
                facts.journal = None;
            }
            Step::DeleteRetired(id) | Step::DeleteOther(id) => facts.listed.retain(|key| key.id != id),
            Step::Create => {
                assert!(facts.listed.len() < 2, "{start}: AWS allows two keys");
                facts.listed.push(active("AKIAFRESH"));
                facts.journal = Some(Journal {
                    new: Some("AKIAFRESH".into()),
                    old: facts.entry.clone(),
                    ..journal(Stage::Proving)
                });
                facts.waiting = Waiting::Opened {
                    id: "AKIAFRESH".into(),
                    generation: facts.generation + 1,
                    trial: Trial::Untried,
                };
            }
            Step::Open => facts.waiting = opened(Trial::Untried),
            Step::Try => {
                let Waiting::Opened { id, generation, .. } = facts.waiting.clone() else {
                    panic!("{start}: nothing to try");
                };
                let trial = match facts.listed(&id).map(|key| key.status) {
                    Some(KeyStatus::Active) => Trial::Works,
                    Some(KeyStatus::Inactive) | None => Trial::Unknown,
                };
                facts.waiting = Waiting::Opened { id, generation, trial };
            }
            Step::Switch => {
                let Waiting::Opened { id, generation, .. } = std::mem::replace(&mut facts.waiting, Waiting::Nothing)
                else {
                    panic!("{start}: nothing to switch to");
                };
                let old = std::mem::replace(&mut facts.entry, id.clone());
                let begun = Journal {
                    old,
                    ..journal(Stage::Retiring)
                };
                let mut at_switch = facts.journal.take().unwrap_or(begun);
                (at_switch.stage, at_switch.new) = (Stage::Retiring, Some(id));
                facts.journal = Some(at_switch);
                (facts.generation, facts.progress) = (generation, Progress::Made);
            }
            Step::Deactivate(id) => {
                for key in facts.listed.iter_mut().filter(|key| key.id == id) {
                    key.status = KeyStatus::Inactive;
                }
            }
            Step::NoteRetired => {
                let new = facts.entry.clone();
                journal_to(&mut facts, Stage::Retired);
                facts.journal.as_mut().expect("a journal").new = Some(new);
                facts.progress = Progress::Made;
            }
            Step::DropWaiting(id) => {
                facts.listed.retain(|key| Some(&key.id) != id.as_ref());
                facts.waiting = Waiting::Nothing;
            }
            Step::DropJournal => {
                let over = facts.journal.take().expect("a journal");
                if over.is_interrupted() && over.new.as_deref() == Some(&facts.entry) {
                    facts.progress = Progress::Made;
                }
            }
        }
    }
    panic!("{start}: no end in sight; next is {:?}", next(&facts));
}
