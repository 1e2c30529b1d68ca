"""What is counted and said of an output that fails and recovers."""

import logging

from streamdet.media.write.delivery import Delivery


def test_a_failure_that_lasts_is_said_once(caplog):
    caplog.set_level(logging.INFO)
    delivery = Delivery("rtsp://h/x")
    delivery.recover()
    for _ in range(3):
        delivery.fail("rtsp://h/x: refused")
    delivery.fail("rtsp://h/x: no answer")
    delivery.recover()
    assert [record.getMessage() for record in caplog.records] == [
        "rtsp://h/x: refused",
        "rtsp://h/x: no answer",
        "rtsp://h/x: works again",
    ]
    assert (delivery.failures, delivery.failing) == (4, None)


def test_it_says_what_arrived_and_what_did_not():
    delivery = Delivery("out.mp4", "files", sent=3)
    assert str(delivery) == "out.mp4: 3 files delivered"
    delivery.drop("late", 2)
    delivery.drop("failed")
    delivery.drop("never", 0)
    assert str(delivery) == "out.mp4: 3 files delivered, 3 dropped (late 2, failed 1)"
    assert delivery.to_dict() == {"unit": "files", "sent": 3, "dropped": {"late": 2, "failed": 1}, "failures": 0}
