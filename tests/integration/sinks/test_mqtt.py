"""Detections to a real broker: all of them, in order, also after it was killed or stood still."""

import json

import pytest
from waiting import wait_until

from streamdet.errors import SinkError
from streamdet.media.write.delivery import Delivery
from streamdet.sinks.events import EventSender
from streamdet.sinks.mqtt import MqttTransport

TOPIC = "street/cam 1"


@pytest.fixture
def delivery():
    return Delivery("mqtt://broker", "lines")


def sender(broker, delivery, who="", timeout_s=5.0):
    return EventSender(MqttTransport(f"mqtt://{who}127.0.0.1:{broker.port}/street/cam%201", timeout_s), delivery)


def sent(delivery, count):
    return lambda: delivery.sent == count


def line(number):
    return json.dumps({"frame": number}).encode() + b"\n"


def numbers(messages):
    return [json.loads(message)["frame"] for message in messages]


@pytest.mark.parametrize("who", [None, "p@ss/w:d"])
def test_every_line_is_a_message(mosquitto, delivery, who):
    broker = mosquitto(user="me", password=who) if who else mosquitto()
    with broker.subscribe(TOPIC) as heard:
        events = sender(broker, delivery, "me:p%40ss%2Fw%3Ad@" if who else "")
        for number in range(500):
            events.append(line(number))
        wait_until(sent(delivery, 500))
        events.close()
        wait_until(lambda: len(heard.messages) == 500)
    assert numbers(heard.messages) == list(range(500))
    assert not any(message.endswith(b"\n") for message in heard.messages)
    assert (delivery.sent, delivery.dropped, delivery.failures) == (500, {}, 0)


def test_a_killed_broker_gets_what_it_missed(mosquitto, delivery):
    broker = mosquitto()
    events = sender(broker, delivery)
    for kills in range(2):
        events.append(line(2 * kills))
        wait_until(sent(delivery, 2 * kills + 1))
        broker.kill9()
        events.append(line(2 * kills + 1))
        wait_until(lambda: delivery.failing)
        broker.start()
        wait_until(sent(delivery, 2 * kills + 2))
    with broker.subscribe(TOPIC) as heard:
        events.append(line(4))
        wait_until(lambda: numbers(heard.messages) == [4])
    events.close()
    assert delivery.sent == 5
    assert delivery.failures >= 2
    assert delivery.dropped == {}


def test_a_broker_that_stands_still(mosquitto, delivery):
    broker = mosquitto()
    events = sender(broker, delivery, timeout_s=2.0)
    with broker.subscribe(TOPIC) as heard:
        events.append(line(0))
        wait_until(lambda: delivery.sent == 1)
        broker.sigstop()
        for number in range(1, 2000):
            events.append(line(number))
        wait_until(lambda: delivery.failing)
        assert delivery.sent == 1  # nobody waited for it
        broker.sigcont()
        wait_until(lambda: delivery.sent == 2000)
        wait_until(lambda: set(numbers(heard.messages)) == set(range(2000)))
        events.close()


def test_wrong_credentials_are_said_and_not_repeated_at_once(mosquitto, delivery, caplog):
    broker = mosquitto(user="me", password="right")
    events = sender(broker, delivery, "me:wr0ng@")
    events.append(line(0))
    wait_until(lambda: delivery.failing)
    with pytest.raises(
        SinkError, match=r"mqtt://broker: the broker refused: Not authorized; 1 lines were not delivered"
    ):
        events.close()
    assert delivery.failures == 1
    assert "wr0ng" not in caplog.text


def test_a_broker_that_is_away_ends_soon(delivery):
    events = EventSender(MqttTransport("mqtt://127.0.0.1:9/x"), delivery, close_timeout_s=0.2)
    for number in range(5):
        events.append(line(number))
    with pytest.raises(SinkError, match="refused; 5 lines were not delivered"):
        events.close()
    assert delivery.dropped == {"undelivered": 5}
