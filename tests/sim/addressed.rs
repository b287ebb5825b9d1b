//! ROUTER and DEALER: dealers that die and come again under their old name, and a router that may
//! do so too. Answers come to whom they are addressed, once, in order; a name is handed over to
//! who comes again, or is free once its former owner is known to be dead; and in good weather
//! every question is answered.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use hubless::{RecvError, SendError, SocketType, Time, internals::base::options::Linger};

use super::{
    dice::Dice,
    letters::{Arrivals, Letter},
    seeds,
    sockets::{Node, Socket, check_books, check_books_but_refusals, draw_options},
    world::World,
};

#[test]
fn router_dealer() {
    seeds::each("router_dealer", |world| Stage::new(world).run());
}

/// One world, and what happens in it. Clones are handles on the same one.
#[derive(Clone)]
struct Stage {
    world: World,
    answering: Node,
    asking: Node,
    heal_after: Duration,
    /// Does a name go to who comes last?
    handover: bool,
    model: Rc<RefCell<Model>>,
}

#[derive(Default)]
struct Model {
    /// Questions by dealer, and what became of them.
    asked: Vec<BTreeMap<u64, Fate>>,
    /// Answers sent to each dealer, ever: they are numbered.
    answers: Vec<u64>,
    /// Every socket there ever was, dead ones too.
    routers: Vec<Socket>,
    dealers: Vec<Socket>,
    dealers_busy: usize,
}

/// What became of a question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Fate {
    Asked,
    Heard,
    /// The answer found no room.
    Refused,
    /// The answer found no peer of that name.
    Unroutable,
    Answered,
}

impl Stage {
    fn new(world: World) -> Stage {
        let answering = Node::new(&world);
        Stage {
            asking: answering.other(&world),
            answering,
            heal_after: world.up_to(Duration::from_millis(1500)),
            handover: world.dice().chance(500),
            model: Rc::default(),
            world,
        }
    }

    fn run(self) -> u64 {
        let mut dice = self.world.dice();
        let count = dice.between(1, 3) as usize;
        {
            let mut model = self.model.borrow_mut();
            model.asked.resize(count, BTreeMap::new());
            model.answers.resize(count, 0);
            model.dealers_busy = count;
        }
        let world = self.world.clone();
        world.spawn("router", self.clone().keep_router(dice.fork()));
        for index in 0..count {
            let name = dice.chance(800).then(|| format!("dealer {index}"));
            let life = self.clone().keep_dealer(index, name, dice.fork());
            world.spawn(format!("dealer {index}"), life);
        }
        world.spawn("director", self.direct());
        world.run(LIMIT)
    }

    /// Lets a router live, and perhaps die once and come again.
    async fn keep_router(self, mut dice: Dice) {
        // Over inproc, nobody connects anew.
        let dies = dice.chance(300) && !self.world.is_inproc();
        let dies = dies.then(|| self.world.up_to(self.heal_after));
        let router = self.start_router(&mut dice).await;
        let Some(time) = dies else { return };
        self.world.sleep_until(time).await;
        self.world.note("router dies", 0, 0);
        router.close();
        self.start_router(&mut dice).await;
    }

    async fn start_router(&self, dice: &mut Dice) -> Socket {
        let mut options = draw_options(&self.world, dice);
        options.router_handover = self.handover;
        options.linger = Linger::Drop;
        let router = self.answering.socket(SocketType::Router, options);
        // Who was here before may not have let go of the address.
        while !router.try_bind(&self.world.bind_endpoint(0)) {
            self.world.sleep(Duration::from_millis(1)).await;
        }
        self.model.borrow_mut().routers.push(router.clone());
        let answering = self.clone().answer(router.clone());
        self.world.spawn("answers", answering);
        router
    }

    /// Answers every question until the router is closed.
    async fn answer(self, router: Socket) {
        let mut arrivals = Arrivals::default();
        loop {
            let received = match router.recv().await {
                Ok(received) => received,
                Err(RecvError::Closed) => break,
                Err(error) => panic!("router: {error}"),
            };
            let (letter, topic) = Letter::read(&received.message);
            let dealer = (letter.writer % GENERATION) as usize;
            arrivals.add(letter, router.sender(&received));
            let name = received.identity.strip_prefix(b"dealer ");
            let named = name.is_none_or(|name| *name == *dealer.to_string().as_bytes());
            assert!(named, "{letter:?} came from {:?}", received.identity);
            assert_eq!(topic, "ask");
            self.world.note("heard", dealer, letter.number);
            let number = {
                let mut model = self.model.borrow_mut();
                let before = model.asked[dealer].insert(letter.number, Fate::Heard);
                assert_eq!(before, Some(Fate::Asked), "{letter:?} came twice");
                model.answers[dealer] += 1;
                model.answers[dealer]
            };
            let answer = Letter {
                writer: ROUTER + dealer as u64,
                number,
            };
            let answer = answer.write(&format!("re{}", letter.number));
            match router.send_to(&received.identity, answer.clone()).await {
                Ok(()) => {}
                Err(SendError::Closed(_)) => break,
                Err(error) => {
                    self.world.note("refused", dealer, letter.number);
                    let fate = match error {
                        SendError::Full(_) => Fate::Refused,
                        SendError::Unroutable(_) => Fate::Unroutable,
                        _ => panic!("router: {error}"),
                    };
                    self.settle(dealer, letter.number, fate);
                    let back = error.into_message();
                    assert_eq!(back, answer, "a refused message comes back");
                }
            }
        }
        let (_, received) = router.stats();
        assert_eq!(received.delivered, arrivals.count(), "{received:?}");
    }

    fn settle(&self, dealer: usize, number: u64, fate: Fate) {
        let before = self.model.borrow_mut().asked[dealer].insert(number, fate);
        assert_eq!(before, Some(Fate::Heard), "question {number} of {dealer}");
    }

    /// Lets a dealer live, die and come again while the weather is bad, once more as it clears if
    /// names are handed over, and then ask what must be answered.
    async fn keep_dealer(self, index: usize, name: Option<String>, mut dice: Dice) {
        let heal = Time::START + self.heal_after;
        let mut dealer = self.start_dealer(index, name.as_deref(), &mut dice);
        let mut number = 0;
        while self.world.now() < heal {
            number += 1;
            self.ask(index, &dealer, number, Some(self.world.up_to(HASTE)))
                .await;
            self.world.sleep(self.world.up_to(HASTE)).await;
            if dice.chance(150) {
                self.world.note("dealer dies", index, number);
                dealer.close();
                dealer = self.start_dealer(index, name.as_deref(), &mut dice);
            }
        }
        if self.handover {
            // Its former connection may be a silent one, of which the router is not told.
            dealer.close();
            dealer = self.start_dealer(index, name.as_deref(), &mut dice);
        }
        self.world.sleep_until(self.heal_after + SETTLE).await;
        for _ in 0..GOOD_QUESTIONS {
            number += 1;
            self.ask(index, &dealer, number, None).await;
            let until = self.world.now() + PATIENCE;
            while !self.is_settled(index, number) {
                assert!(
                    self.world.now() < until,
                    "question {number} of dealer {index} is not answered"
                );
                self.world.sleep(Duration::from_millis(20)).await;
            }
        }
        self.model.borrow_mut().dealers_busy -= 1;
    }

    fn is_settled(&self, index: usize, number: u64) -> bool {
        let fate = self.model.borrow().asked[index][&number];
        matches!(fate, Fate::Answered | Fate::Refused)
    }

    fn start_dealer(&self, index: usize, name: Option<&str>, dice: &mut Dice) -> Socket {
        let mut options = draw_options(&self.world, dice);
        options.linger = match dice.below(2) {
            0 => Linger::Drop,
            _ => Linger::For(Duration::from_millis(dice.between(1, 300))),
        };
        options.routing_id = name.unwrap_or_default().to_owned().into();
        let dealer = self.asking.socket(SocketType::Dealer, options);
        dealer.connect(&self.world.connect_endpoint(0));
        self.model.borrow_mut().dealers.push(dealer.clone());
        let listening = self.clone().listen(index, dealer.clone());
        self.world
            .spawn(format!("dealer {index} listens"), listening);
        dealer
    }

    /// Asks, if there is room in time.
    async fn ask(&self, index: usize, dealer: &Socket, number: u64, within: Option<Duration>) {
        let generation = self.model.borrow().dealers.len() as u64;
        let letter = Letter {
            writer: index as u64 + GENERATION * generation,
            number,
        };
        self.model.borrow_mut().asked[index].insert(number, Fate::Asked);
        self.world.note("ask", index, number);
        let sent = dealer.send(letter.write("ask"));
        let sent = self.world.within(within.unwrap_or(PATIENCE), sent).await;
        match sent {
            Some(sent) => sent.expect("open"),
            None => assert!(within.is_some(), "dealer {index} cannot ask"),
        }
    }

    /// Takes the answers until the dealer is closed.
    async fn listen(self, index: usize, dealer: Socket) {
        let mut arrivals = Arrivals::default();
        loop {
            let received = match dealer.recv().await {
                Ok(received) => received,
                Err(RecvError::Closed) => return,
                Err(error) => panic!("dealer {index}: {error}"),
            };
            let (letter, topic) = Letter::read(&received.message);
            assert_eq!(letter.writer, ROUTER + index as u64, "another's answer");
            arrivals.add(letter, dealer.sender(&received));
            let number = topic.strip_prefix("re").and_then(|it| it.parse().ok());
            let number = number.expect("the number of a question");
            self.world.note("answered", index, number);
            self.settle(index, number, Fate::Answered);
        }
    }

    /// Clears the weather and waits for the end.
    async fn direct(self) {
        let world = &self.world;
        world.sleep_until(self.heal_after).await;
        if self.handover {
            world.heal_but_silence();
        } else {
            world.heal();
        }
        while self.model.borrow().dealers_busy > 0 {
            world.sleep(Duration::from_millis(100)).await;
        }
        if self.handover {
            let model = self.model.borrow();
            let router = model.routers.last().expect("one lives");
            let names = router.ready_names();
            let different: BTreeSet<_> = names.iter().collect();
            assert_eq!(different.len(), names.len(), "one peer of each name");
        }
        world.end_silence();
        world.sleep(Duration::from_secs(2)).await;
        let model = self.model.borrow();
        if self.handover {
            check_books(world, &model.dealers, &model.routers);
        } else {
            // Who comes while its name is taken may have written already.
            check_books_but_refusals(world, &model.dealers, &model.routers);
        }
        check_books(world, &model.routers, &model.dealers);
        for socket in model.dealers.iter().chain(&model.routers) {
            socket.close();
        }
    }
}

/// Dealers that come again write under another number: what one that lingers still sends may come
/// after what the next one sent.
const GENERATION: u64 = 10;

/// Added to a dealer's number, the writer of the answers to it.
const ROUTER: u64 = 100;

/// The longest between two questions in bad weather, and that one of them waits for room.
const HASTE: Duration = Duration::from_millis(60);

/// Questions each dealer asks in good weather.
const GOOD_QUESTIONS: u64 = 3;

/// From the end of the faults until every connection is made again.
const SETTLE: Duration = Duration::from_secs(10);

/// How long an answer may take in good weather.
const PATIENCE: Duration = Duration::from_secs(10);

/// The end of the longest run.
const LIMIT: Duration = Duration::from_secs(60);
