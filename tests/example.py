"""The small library that the pictures of the README show."""

from __future__ import annotations

from building import Tree, retagged, tone

# Genres as on a shelf in Germany, each with titles that are the public's.
_SHELF = {
    "Klassik": (
        "Für Elise", "Träumerei", "Eine kleine Nachtmusik", "Der Türkische Marsch", "An die Freude", "Morgenstimmung",
        "Die Moldau", "Air", "Clair de lune", "Der Frühling", "Der Winter", "Gymnopédie Nr. 1", "Rhapsodie in Blau",
        "Ungarischer Tanz Nr. 5", "Die Forelle", "Der Erlkönig", "Das Forellenquintett", "Nocturne Es-Dur",
        "Feuerwerksmusik", "Wassermusik", "Kanon in D", "Bolero",
    ),
    "Jazz": (
        "Maple Leaf Rag", "The Entertainer", "St. Louis Blues", "Tiger Rag", "Royal Garden Blues", "Dippermouth Blues",
        "Black Bottom Stomp", "Potato Head Blues", "West End Blues", "Singin' the Blues", "Stardust", "Dinah",
        "Rhapsody Rag", "Heebie Jeebies", "King Porter Stomp", "Wolverine Blues",
    ),
    "Blasmusik": (
        "Radetzky-Marsch", "Alte Kameraden", "Böhmischer Traum", "Egerländer Fuhrmannsmarsch", "Preußens Gloria",
        "Hoch Heidecksburg", "Florentiner Marsch", "Bozner Bergsteigermarsch", "Fehrbelliner Reitermarsch",
        "Einzug der Gladiatoren", "Die Bankelsänger", "Kaiserjägermarsch", "Rainermarsch",
    ),
    "Volkslieder": (
        "Am Brunnen vor dem Tore", "Ännchen von Tharau", "Die Gedanken sind frei", "Der Mond ist aufgegangen",
        "Kein schöner Land", "Es waren zwei Königskinder", "Wenn alle Brünnlein fließen", "Das Wandern", "Loreley",
        "Im schönsten Wiesengrunde", "Muss i denn", "Geh aus, mein Herz",
    ),
    "Walzer": (
        "An der schönen blauen Donau", "Frühlingsstimmen", "Wiener Blut", "Rosen aus dem Süden", "Kaiserwalzer",
        "Geschichten aus dem Wienerwald", "Künstlerleben", "Gold und Silber", "Der Schlittschuhläufer",
        "Donauwellen",
    ),
    "Händel & Söhne": (
        "Ankunft der Königin von Saba", "Largo", "Halleluja", "Sarabande", "Passacaglia", "Hornpipe", "Siciliana",
    ),
    "Moritaten": ("Sabinchen", "Mariechen saß weinend im Garten", "Heinrich schlief", "Der Räuber Rinaldo"),
}  # fmt: skip
LATER = {"Händel & Söhne": ("Feuerwerk: Réjouissance",), "Walzer": ("Über den Wellen", "Morgenblätter")}
"""What comes in once the rest is published."""


def example(shelf: dict[str, tuple[str, ...]], first_hertz: int) -> Tree:
    """Return folders of songs with titles, each song of another sound."""
    tree: Tree = {}
    hertz = first_hertz
    for genre, titles in shelf.items():
        folder: Tree = {}
        for title in titles:
            hertz += 7
            folder[f"{title.replace(':', ',')}.mp3"] = retagged(tone(hertz), title)
        tree[genre] = folder
    return tree


def first_songs() -> Tree:
    """Return what is there at first: a genre that waits, a copy, a song that is broken, and what is no music."""
    tree = example(_SHELF, 200)
    jazz, classical = tree["Jazz"], tree["Klassik"]
    assert isinstance(jazz, dict)
    assert isinstance(classical, dict)
    jazz["Mäandertal Stomp.mp3"] = b"A download that was cut short."
    classical["Träumerei (Kopie).mp3"] = classical["Träumerei.mp3"]
    return tree


def later_songs() -> Tree:
    """Return what is dropped in later."""
    return example(LATER, 2000)
