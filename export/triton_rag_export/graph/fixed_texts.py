"""Texts that calibrate and check an encoder beside those of a corpus that has only a few.

The gate on INT8 is a mean over texts that calibration did not see: over one or two it says little. These are
of several subjects, languages, scripts and lengths.
"""

from collections.abc import Sequence

FEW_TEXTS = 40
"""With fewer texts of the corpus the fixed ones are added."""

FIXED_TEXTS = (
    "How do I return a pair of shoes that does not fit?",
    "Opening hours\nWe are open from Monday to Friday, nine to five, and on Saturday until noon.",
    "The warranty covers faults of material and workmanship for two years from the day of delivery.",
    "To reset the password, follow the link in the message that we sent you; it is valid for one hour.",
    "for line in file:\n    if line.startswith('#'):\n        continue\n    rows.append(line.split('\\t'))",
    "SELECT name, COUNT(*) FROM orders WHERE placed_at >= '2024-01-01' GROUP BY name ORDER BY 2 DESC;",
    "Error 503: the service is not available. Try again in a few minutes.",
    "Water boils at a lower temperature in the mountains, because the air presses less on its surface.",
    "The treaty was signed in 1648 and ended a war that had lasted for thirty years.",
    "Take one tablet in the morning with plenty of water, and do not drive if you feel dizzy.",
    (
        "Photosynthesis turns light, water and carbon dioxide into sugar and oxygen. It takes place in the "
        "leaves, in cells that hold chlorophyll, and feeds nearly everything that lives on land."
    ),
    (
        "Chapter 4. Maintenance. Clean the filter every month. Before you open the cover, switch the machine "
        "off and wait until the fan has stopped."
    ),
    "An invoice is due within 30 days. After that, interest of 4.5 % a year is charged on the open amount.",
    (
        "The river rises in the hills north of the town, turns east below the old bridge, and reaches the "
        "sea after 210 kilometres."
    ),
    "yes",
    "42",
    "e-mail: see the page 'Contact', or call +00 123 456 789",
    "Die Rechnung liegt dem Paket bei. Bewahren Sie sie auf, falls Sie etwas umtauschen möchten.",
    "Der Zug nach Norden fährt heute zehn Minuten später von Gleis 7 ab.",
    "Le musée est fermé le mardi. Les enfants de moins de douze ans entrent gratuitement.",
    "Pour annuler une commande, ouvrez votre compte et choisissez « Mes achats ».",
    "El contrato se renueva cada año, salvo que una de las partes lo termine por escrito.",
    "La batteria si carica in circa due ore; non lasciarla al sole.",
    "Кошка спит на окне, а собака ждёт у двери.",
    "会議は来週の月曜日の午後三時からです。",
    "这本书介绍了如何在家里种植蔬菜。",
    "यह दुकान रविवार को बंद रहती है।",
    "المكتبة مفتوحة كل يوم حتى الساعة الثامنة مساءً.",
    (
        "A hash table stores pairs of keys and values. The key's hash says in which bucket to look; when two "
        "keys fall into the same bucket, both are kept there and compared. As long as the buckets are many "
        "enough, finding, adding and removing take the same time however large the table is. When it fills "
        "up, it is made again at twice the size, which is slow once and pays off over all the insertions "
        "before."
    ),
    (
        "Sourdough needs time more than skill. Mix flour, water and a spoonful of starter in the evening, "
        "cover the bowl, and let it stand overnight. In the morning the dough has doubled; fold it, add "
        "salt, wait another two hours, and bake it in a hot pot with the lid on."
    ),
    (
        "The court held that the notice had come too late. The tenant had paid the rent for the month, the "
        "landlord had taken it without a reservation, and neither had written to the other before the end of "
        "the term; so the lease went on under the same conditions."
    ),
    (
        "Version 2.1 drops the old interface. Programs that call open_session() must call connect() instead; "
        "the arguments are the same, but the timeout is given in seconds and no longer in milliseconds."
    ),
)


def with_fixed_texts(texts: Sequence[str]) -> tuple[str, ...]:
    """The texts, and the fixed ones behind them where there are some but few; none stay none."""
    return (*texts, *FIXED_TEXTS) if 0 < len(texts) < FEW_TEXTS else tuple(texts)
