use super::*;
use crate::clock::millis;

#[test]
fn a_room_that_was_large_once_is_small_again_however_its_users_have_left() {
    let name = ChannelName::room("r").unwrap();
    let user = |n: u32| -> Arc<str> { n.to_string().into() };
    for batch_above in [0, 100_000] {
        let config = PresenceConfig { batch_above, ..PresenceConfig::default() };
        let mut rooms = Rooms::new(config, Arc::default(), RandomState::new());
        for n in 0..10_000 {
            rooms.join(&name, &user(n), millis(0));
        }
        for n in 10..10_000 {
            rooms.leave(&name, &user(n), Departure::Meant, millis(1));
        }
        rooms.handle_timeout(millis(60_000), usize::MAX, &mut Vec::new());
        assert_eq!(rooms.users("room:r", 100).len(), 10);
        assert!(rooms.rooms["room:r"].users.capacity() < 128, "above {batch_above}");
    }
}
