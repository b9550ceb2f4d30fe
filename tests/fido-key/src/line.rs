//! What lies between the host and the firmware: it writes the journal, makes the key another one if it shall be, and lets
//! faults strike.
//!
//! A report passes as it is as long as nothing was ordered; an answer waits until it is whole.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    time::Instant,
};

use tapvault_lab::{
    fido_key::fault::{Command, Fault},
    soft_token::body::Touch,
};

use crate::{
    faults::{self, Faults, Struck},
    finger::{Detour, Next, Verdict},
    journal::{Asked, Journal, command},
    message::{self, Gather, Message, Report, hid},
    offer::Offer,
};

/// See the module's words.
pub struct Line {
    pub journal: Journal,
    pub faults: Faults,
    pub offer: Offer,
    from_host: Gather,
    from_key: Gather,
    /// Channels whose request goes to the firmware report by report.
    passing: HashSet<u32>,
    /// Requests without an answer, by channel.
    open: HashMap<u32, Open>,
    leaving: VecDeque<(Instant, Report)>,
    endless: Option<(u32, Instant)>,
    /// A request that waits for the firmware's answers to others of ours.
    detour: Option<Detour>,
    to_key: VecDeque<Report>,
}

struct Open {
    asked: Asked,
    command: Option<Command>,
    fault: Option<Fault>,
}

impl Line {
    pub fn new() -> Self {
        Self {
            journal: Journal::new(),
            faults: Faults::default(),
            offer: Offer::default(),
            from_host: Gather::default(),
            from_key: Gather::default(),
            passing: HashSet::new(),
            open: HashMap::new(),
            leaving: VecDeque::new(),
            endless: None,
            detour: None,
            to_key: VecDeque::new(),
        }
    }

    /// A report of the host's; what the firmware gets of it.
    pub fn take_from_host(&mut self, report: &Report) -> Vec<Report> {
        if message::command(report) == Some(hid::CANCEL) {
            return vec![*report];
        }
        // Who opens the channel anew has given up the old request.
        let reopened = message::command(report) == Some(hid::INIT);
        self.endless
            .take_if(|(endless, _)| reopened && *endless == message::channel(report));

        // Rewritten or refused, a request has to be whole first; whether it passes is decided at its first report.
        let channel = message::channel(report);
        if message::command(report).is_some() {
            self.passing.remove(&channel);
            if !self.offer.is_other() && self.faults.is_empty() {
                self.passing.insert(channel);
            }
        }
        let passes = self.passing.contains(&channel);
        let Some(mut request) = self.from_host.push(report) else {
            return if passes { vec![*report] } else { Vec::new() };
        };
        let command = command(&request);
        let fault = self.faults.take(command, request.command == hid::CBOR);
        let refusal = fault
            .as_ref()
            .and_then(|fault| faults::refusal(fault.effect, request.channel));
        let verdict = match refusal {
            Some(refusal) => Verdict::Answered(refusal),
            None => self.offer.request(&mut request),
        };
        let open = Open {
            asked: Asked::new(&request),
            command,
            fault,
        };
        self.open.insert(request.channel, open);
        match verdict {
            Verdict::Answered(answer) => {
                self.answer(answer, None);
                Vec::new()
            }
            Verdict::Known(detour) => {
                let first = detour.begin().reports();
                self.detour = Some(detour);
                first
            }
            Verdict::Passes if passes => vec![*report],
            Verdict::Passes => request.reports(),
        }
    }

    /// A report of the firmware's; `touch` is what became of the finger that it asked for.
    pub fn take_from_key(&mut self, report: &Report, touch: impl FnOnce() -> Option<Touch>) {
        if message::command(report) == Some(hid::KEEPALIVE) {
            self.leaving.push_back((Instant::now(), *report));
        } else if let Some(answer) = self.from_key.push(report) {
            match self.detour.take_if(|detour| detour.channel() == answer.channel) {
                Some(detour) => self.go_on(detour, &answer),
                None => self.answer(answer, touch()),
            }
        }
    }

    fn go_on(&mut self, mut detour: Detour, answer: &Message) {
        match detour.go_on(answer) {
            Next::Ask(request) => {
                self.to_key.extend(request.reports());
                self.detour = Some(detour);
            }
            Next::Give(request) => self.to_key.extend(request.reports()),
            Next::Failed(answer) => self.answer(answer, None),
        }
    }

    /// What the firmware gets beside the host's reports.
    pub fn give_to_key(&mut self) -> Vec<Report> {
        self.to_key.drain(..).collect()
    }

    fn answer(&mut self, mut answer: Message, touch: Option<Touch>) {
        let open = self.open.remove(&answer.channel);
        if let Some(open) = &open {
            self.offer.answer(open.command, &mut answer);
            self.journal.answered(&open.asked, &answer, touch, open.fault.as_ref());
        }
        let channel = answer.channel;
        let struck = match open.and_then(|open| open.fault) {
            Some(fault) => faults::strike(fault.effect, answer),
            None => Struck::at_once(answer.reports()),
        };
        match struck {
            Struck::Reports { at, reports } => self.leaving.extend(reports.into_iter().map(|report| (at, report))),
            Struck::Endless => self.endless = Some((channel, Instant::now())),
        }
    }

    /// What the host gets now.
    pub fn give_to_host(&mut self) -> Vec<Report> {
        let now = Instant::now();
        let mut reports = Vec::new();
        while let Some((_, report)) = self.leaving.pop_front_if(|(at, _)| *at <= now) {
            reports.push(report);
        }
        if let Some((channel, next)) = &mut self.endless
            && *next <= now
        {
            *next = now + faults::KEEPALIVE;
            reports.extend(faults::keepalive(*channel));
        }
        reports
    }

    /// Whether something will have to be done soon, without a report of the host's.
    pub fn is_busy(&self) -> bool {
        !self.open.is_empty() || !self.leaving.is_empty() || self.endless.is_some()
    }

    /// What the key is about: what a touch would be for.
    pub fn current(&self) -> String {
        let mut names: Vec<&str> = self.open.values().map(|open| open.asked.name()).collect();
        names.sort_unstable();
        names.join(", ")
    }

    /// The key was pulled out: nothing of this arrives any more.
    pub fn cut(&mut self, touch: Option<Touch>) {
        for (_, open) in self.open.drain() {
            self.journal.cut(&open.asked, touch);
        }
        self.from_host = Gather::default();
        self.from_key = Gather::default();
        self.leaving.clear();
        self.endless = None;
        self.detour = None;
        self.to_key.clear();
    }

    /// Nothing more strikes.
    pub fn clear_faults(&mut self) {
        self.faults.clear();
        self.endless = None;
    }
}
