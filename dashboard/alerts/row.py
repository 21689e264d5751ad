"""One alert of a list as one drawing: what, where, since when, why, what to do, who, where to."""

from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo

from dashboard import navigation
from dashboard.alerts import address, links, looks
from dashboard.charts.theme import Colours
from dashboard.numbers import age, counted, moment
from dashboard.overview.needs import Need
from dashboard.text import beyond, markup, shortened
from services.alerting.models import Alert, Silence

_TEXT = 400
_NOTE = 200


class Rows:
    """Draws alerts and what stands among them; made once a list."""

    def __init__(
        self, hues: Colours, now: datetime, zone: tzinfo, *, admin: bool,
        explaining: Mapping[str, Alert], silences: Mapping[int, Silence],
    ) -> None:  # fmt: skip
        self._hues, self._now, self._zone, self._admin = hues, now, zone, admin
        self._explaining, self._silences = explaining, silences

    def html(self, alert: Alert) -> str:
        """Return the alert."""
        lines = (
            self._head(alert),
            self._text(beyond(alert.title, alert.said)),
            self._labelled("Likely cause", alert.cause),
            self._labelled("What to do", alert.suggestion) if alert.open else "",
            self._foot(alert),
        )
        body = "".join(f"<div>{line}</div>" for line in lines if line)
        return f'<div style="font-size:14px;line-height:21px;overflow-wrap:anywhere">{body}</div>'

    def need(self, need: Need) -> str:
        """Return what needs somebody and is no alert, in a line or two."""
        shown, hues = looks.severity(need.severity), self._hues
        state = looks.hue(shown, hues) if need.severity != "info" else hues.series[4]
        since = f"since {age(need.at, self._now)} · " if need.at is not None else ""
        go = ""
        if navigation.has(need.page):
            href = markup(navigation.address(need.page, **need.params))
            go = (
                f'<a href="{href}" style="color:{hues.accent};text-decoration:none;'
                f'white-space:nowrap">{markup(need.label)} →</a>'
            )
        return (
            '<div style="font-size:14px;line-height:21px;overflow-wrap:anywhere;'
            f'padding-left:28px"><div><span style="color:{state};font-weight:600;'
            f'white-space:nowrap">{shown.sign} {markup(need.state, 40)}</span> '
            f'<b style="font-weight:600">{markup(need.subject, 80)}</b> '
            f"{coded(need.sentence, hues)}</div><div>{self._quiet(since)}{go}</div></div>"
        )

    def _head(self, alert: Alert) -> str:
        shown = looks.severity(alert.severity)
        quiet = alert.state in {"silenced", "inhibited", "resolved"}
        tone = self._hues.muted if quiet else looks.hue(shown, self._hues)
        href = markup(address.to(alert.id))
        return (
            f'<span style="color:{tone};font-weight:600;white-space:nowrap">{shown.sign} '
            f'{shown.word}</span> <a href="{href}" style="color:{self._hues.text};font-weight:600;'
            f'text-decoration:none">{markup(alert.title or alert.key, 160)}</a> '
            f"{self._quiet(markup(alert.project or 'platform', 60))}"
        )

    def _text(self, text: str) -> str:
        return coded(text, self._hues)

    def _labelled(self, label: str, text: str) -> str:
        return f"{self._quiet(f'{label}:')} {self._text(text)}" if text else ""

    def _foot(self, alert: Alert) -> str:
        since = datetime.fromtimestamp(alert.since, UTC)
        parts = [
            f'<span title="{markup(moment(since, self._zone))}">since {age(since, self._now)}'
            "</span>",
            f"seen {counted(alert.count, 'time')}" if alert.count > 1 else "",
            self._standing(alert),
            _told(alert),
        ]
        line = " · ".join(part for part in parts if part)
        way = links.way(alert, admin=self._admin)
        go = ""
        if way is not None:
            go = (
                f'{self._quiet(" · ")}<a href="{markup(way.address)}" '
                f'style="color:{self._hues.accent};text-decoration:none;white-space:nowrap">'
                f"{markup(way.label)} →</a>"
            )
        return f"{self._quiet(line)}{go}"

    def _standing(self, alert: Alert) -> str:
        shown = looks.state(alert.state)
        tone = looks.hue(shown, self._hues)
        told = markup(self._why(alert), 300)
        return f'<span style="color:{tone}">{shown.sign} {told}</span>'

    def _why(self, alert: Alert) -> str:
        state = alert.state
        if state == "acknowledged":
            note = f": {shortened(alert.note, _NOTE)}" if alert.note else ""
            ends = alert.acknowledged_until
            until = f" (until {self._moment(ends)})" if ends is not None else ""
            return f"{alert.owner} looks after it{note}{until}"
        if state == "unknown":
            return f"nobody can tell now: {alert.unknown_because}"
        if state == "silenced":
            silence = self._silences.get(alert.silence or 0)
            if silence is not None:
                until = self._moment(silence.expires_at)
                return f"silenced by {silence.owner} until {until}: {silence.reason}"
        if state == "inhibited":
            by = self._explaining.get(alert.inhibited_by or "")
            return f"explained by {by.title or by.key}" if by else "explained by another alert"
        if state == "resolved":
            return f"over: {alert.resolution}"
        if alert.left_by is not None and alert.left_at is not None:
            return f"nobody looks after it; {alert.left_by} did until {self._moment(alert.left_at)}"
        return looks.state(state).word

    def _moment(self, at: float) -> str:
        return moment(datetime.fromtimestamp(at, UTC), self._zone)

    def _quiet(self, inner: str) -> str:
        return f'<span style="color:{self._hues.muted};font-size:12.5px">{inner}</span>'


def _told(alert: Alert) -> str:
    names = sorted(alert.told)
    if not names:
        return "nobody was told"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"told {markup(', '.join(names[:3]), 130)}{more}"


def coded(text: str, hues: Colours) -> str:
    """Return a sentence for our own HTML; what stands between backticks is code."""
    parts = text[:2_000].split("`")
    drawn = (
        f'<code style="font-size:12.5px;background:{hues.surface};padding:1px 4px;'
        f'border-radius:3px">{markup(part, _TEXT)}</code>'
        if index % 2 and index < len(parts) - 1
        else markup(part, _TEXT)
        for index, part in enumerate(parts)
    )
    return "".join(drawn)
