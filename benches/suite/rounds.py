"""Runs all columns of a cell in turns, and makes medians of what they did."""

import statistics

from . import measure, report

# Those that measure memory: every round would say the same, and a crowd takes its time.
ONCE = ('idle',)


def measure_cell(cell, columns, missing, chosen, strace, say):
    """What each column did, by name: medians, or the reason why there are none."""
    patience_s = 10 + 10 * chosen.seconds
    runs = {column.name: [] for column in columns}
    reasons, counts = {}, {}
    for column in columns:
        if column.program in missing:
            reasons[column.name] = f'not built: {missing[column.program].splitlines()[0]}'
            continue
        counts[column.name] = attempt(lambda: calibrate(cell, column, chosen.seconds, patience_s), column, reasons)
    for _ in range(1 if cell.a in ONCE else chosen.rounds):
        for column in columns:
            # A peer that has failed in a cell would mostly fail again, and slowly.
            if counts.get(column.name) and column.name not in reasons:
                run = attempt(lambda: measure.run(cell, column, counts[column.name], patience_s), column, reasons)
                runs[column.name] += [run] if run else []
    found = {}
    for column in columns:
        name = column.name
        found[name] = summary(cell, runs[name], reasons.get(name))
        if strace and runs[name] and name not in reasons and cell.place != 'free':
            found[name].update(system_calls(cell, column, counts[name], patience_s))
        say(f'  {name:22} {report.line(cell, found[name])}')
    return found


def attempt(act, column, reasons):
    """What `act` gives; or nothing, and its reason is noted. No peer may stop the run."""
    try:
        return act()
    except measure.Lacking as error:
        reasons[column.name] = str(error)
    except Exception as error:  # noqa: BLE001
        reasons[column.name] = f'failed: {error or type(error).__name__}'
    return None


def calibrate(cell, column, seconds, patience_s):
    """How many messages take so long. Two steps, since a short run says little of a long one."""
    if cell.a == 'idle':
        return cell.first_count
    count = cell.first_count
    for share in (0.2, 1.0):
        done = measure.run(cell, column, count, patience_s)
        rate = done.value / cell.matching if cell.per_second else 1e6 / max(done.value, 1e-3)
        # What comes from the first run may be a burst that fits into the buffers.
        count = max(int(min(rate * seconds * share, count * 50, cell.count_max)), 100)
        if share == 0.2 and seconds < 0.2:
            return max(count, min(cell.first_count, 2000))
    return count


def system_calls(cell, column, count, patience_s):
    """Each call costs a trace tens of µs, so a tenth of a run is long enough."""
    if cell.a == 'idle' or cell.b == 'conn':
        return {}
    try:
        total, top = measure.calls(cell, column, max(count // 10, 1000), patience_s)
        return {'calls': total, 'calls_top': top}
    except Exception as error:  # noqa: BLE001
        return {'calls_failed': str(error)}


def summary(cell, runs, reason):
    """Medians of the rounds, or why there are none."""
    if not runs:
        return {'failed': reason or 'no run'}
    values = [run.value for run in runs]
    middle = statistics.median(values)
    found = {
        'value': middle,
        'spread': (max(values) - min(values)) / middle if middle else 0.0,
        'values': values,
        'count': runs[0].count,
        'cpu_us': {side: statistics.median(run.cpu_us[side] for run in runs) for side in runs[0].cpu_us},
        'wakes': statistics.median(run.wakes for run in runs),
        'peak_mb': {side: statistics.median(run.peak_mb[side] for run in runs) for side in runs[0].peak_mb},
    }
    for key in ('mean_us', 'p99_us', 'p999_us', 'lost', 'bound_kb', 'after_kb'):
        if key in runs[0].output:
            found[key] = statistics.median(float(run.output.get(key, 'nan')) for run in runs)
    if cell.key == 'msgs/s' and found.get('lost'):
        found['lost_share'] = found['lost'] / (runs[0].count * (cell.matching if cell.b == 'drain' else 1))
    if reason:
        found['remark'] = reason
    return found
