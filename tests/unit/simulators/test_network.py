import numpy as np
import pytest

from simulators.network import Device, Network

NOON = 12 * 3600.0


def power(device: Device, kind: str = "active") -> np.ndarray:
    return np.array(getattr(device.meter, kind))


def energy(device: Device) -> float:
    """Net kWh."""
    imported, exported, _, _ = np.array(device.registers).sum(axis=1)
    return float(imported - exported)


def test_it_has_two_substations_and_about_forty_meters_of_many_makes() -> None:
    network = Network()
    assert len(network.substations) == 2
    assert 38 <= len(network.devices) <= 48
    assert len({device.profile for device in network.devices}) >= 15


def test_the_same_seed_gives_the_same_day_and_another_seed_another() -> None:
    days = []
    for seed in (4, 4, 5):
        network = Network(seed)
        for minute in range(0, 1440, 90):
            network.step(minute * 60.0)
        days.append(network.state())
    assert days[0] == days[1]
    assert days[0] != days[2]


@pytest.mark.parametrize("hour", [0, 7, 12, 19])
def test_power_adds_up_and_losses_are_positive_and_small(hour: int) -> None:
    network = Network(2, start=hour * 3600.0)
    for substation in network.substations:
        heads = 0.0
        for feeder in substation.feeders:
            drawn = sum(power(device).sum() for _, device in feeder.customers)
            throughput = sum(abs(power(device).sum()) for _, device in feeder.customers)
            lost = power(feeder.head).sum() - drawn
            assert 0 < lost < 0.1 * throughput + 0.002 * feeder.rating
            heads += power(feeder.head).sum()
        lost = power(substation.incomer).sum() - heads
        assert 0 < lost < 0.02 * substation.rating


def test_energy_adds_up_over_a_day_and_registers_only_rise() -> None:
    network = Network(3)
    before = {d.name: np.array(d.registers) for d in network.devices}
    start = {d.name: energy(d) for d in network.devices}
    for minute in range(0, 1441, 15):
        network.step(minute * 60.0)
        for device in network.devices:
            now = np.array(device.registers)
            assert (now >= before[device.name]).all()
            before[device.name] = now
    used = {d.name: energy(d) - start[d.name] for d in network.devices}
    for substation in network.substations:
        heads = sum(used[feeder.head.name] for feeder in substation.feeders)
        assert heads < used[substation.incomer.name] < 1.2 * heads
        for feeder in substation.feeders:
            meters = sum(used[device.name] for _, device in feeder.customers)
            assert meters < used[feeder.head.name]


def test_energy_is_the_power_shown_times_the_time_until_the_next_step() -> None:
    network = Network(3, start=NOON)
    device = network.feeders[0].customers[0][1]
    shown, before = power(device).sum(), energy(device)
    network.step(900.0)
    assert energy(device) - before == pytest.approx(shown * 900 / 3_600_000)


def test_voltage_sags_with_load() -> None:
    network = Network(1, start=3 * 3600.0)
    network.step(1.0)
    night = network.feeders[1].customers[0][1].meter.voltage[0]
    network = Network(1, start=NOON)
    network.step(1.0)
    assert 200 < network.feeders[1].customers[0][1].meter.voltage[0] < night < 240


def test_pv_feeds_in_at_noon_and_sleeps_at_night() -> None:
    for start, expected in ((NOON, True), (0.0, False)):
        network = Network(1, start=start)
        inverters = [device for device in network.devices if device.generates]
        assert inverters
        for device in inverters:
            values = device.values()
            assert (values["power.active.total"] > 0) == expected
            assert values["power.dc.total"] >= values["power.active.total"]


def test_an_open_breaker_takes_its_feeder_down_and_no_other() -> None:
    network = Network(1, start=NOON)
    network.step(1.0)
    feeder, other = network.feeders[0], network.feeders[1]
    before = power(network.substations[0].incomer).sum()
    feeder.operate(closed=False)
    network.step(2.0)
    stopped = {device.name: device.registers for _, device in feeder.customers}
    assert all(sum(device.meter.voltage) == 0 for _, device in feeder.customers)
    assert power(feeder.head).sum() == 0
    assert power(other.head).sum() > 0
    assert power(network.substations[0].incomer).sum() < before
    network.step(3600.0)
    assert {device.name: device.registers for _, device in feeder.customers} == stopped
    feeder.operate(closed=True)
    network.step(3601.0)
    assert feeder.trips == 1
    assert power(feeder.head).sum() > 0


def test_registers_and_breakers_go_on_from_a_kept_state() -> None:
    first = Network(1, start=NOON)
    first.step(3600.0)
    first.feeders[2].operate(closed=False)
    second = Network(1, start=NOON)
    second.resume(first.state())
    assert second.state() == first.state()
    assert not second.feeders[2].closed


def test_time_does_not_run_backwards() -> None:
    network = Network()
    network.step(10.0)
    with pytest.raises(ValueError, match="backwards"):
        network.step(9.0)
