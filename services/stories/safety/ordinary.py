"""Short words that stand beside each other without meaning the word that they make together. Pure.

`pen is` and `as sign`: two ordinary words are two words. Where one of the two is none (`mur der`), they are read as one.
"""

from typing import Final

_SHORT: Final = frozenset(
    """
    a i o an as at am ah be by do go ha he hi ho if in is it me my no of oh on or ox pa so to up us we ye
    ace act add age ago aid aim air all and ant any ape are arm art ask ate awe bad bag ban bar bat bay bed bee beg bet bid big
    bin bit bob bow box boy bud bug bun bus but buy bye cab can cap car cat cob cod cog cot cow cry cub cup cut dad dam day den
    dew did dig dim din dip doe dog dot dry dug ear eat ebb eel egg ego elf elk elm end eve ewe eye fan far fat fed fee few fig
    fin fir fit fix flu fly foe fog for fox fry fun fur gap gas gel gem get gig got gum gut guy had ham has hat hay hem hen her
    hid him hip his hit hog hop hot how hub hug hum hut ice icy ill ink inn ion its ivy jab jam jar jaw jay jet job jog joy jug
    key kid kin kit lab lad lag lap law lay led leg let lid lie lip lit log lot low mad man map mat may men met mix mob mop mud
    mug nap net new nod nor not now nut oak oar oat odd off oil old one orb our out owl own pad pal pan pat paw pay pea peg pen
    pet pie pig pin pip pit pod pop pot pup put rag ram ran rap rat raw ray red rib rid rig rim rip rob rod row rub rug run rut
    sad sap sat saw say sea see set she shy sip sir sit six ski sky sly sob son sow spy sum sun tag tan tap tar tax tea ten the
    tie tin tip toe ton too top toy try tub tug two use van vet vow wag war was wax way web wet who why wig win wit won wow yak
    yam yes yet you zap zip zoo
    able also back ball band bank barn bath bear been bell best bird blue boat body bone book born both bowl bush cake call came
    camp card care cart case cave clay coat cold come cook cool corn cows crew crow damp dark dear deck deep deer desk dish dive
    does dogs done door down draw drum duck dust each east easy even ever face fact fair fall farm fast fawn feel feet felt find
    fine fire fish five flag flat flew food foot form four free frog from full fury game gate gave girl give glad goat gold gone
    good gown gray grew grey grow hair half hall hand hard have head hear help herb here hero hide high hill hold home hood hook
    hope horn hour huge idea into iron jump just keep kept kind king kite knew know lace lake lamb lamp land lane last late lead
    leaf lean left lent less life lift like line lion list live load long look lord lose loud love made mail main make many mark
    meal mean meet milk mind mine mole moon more most moth move much must name near neat neck need nest news next nice nine none
    nose note once only onto open over pack page pair palm park part past path peak pear pick pine pink pipe plan play plum pole
    pond pony pool poor port post pour pull pure push race rain read real rest rice rich ride ring rise road rock roll roof room
    root rope rose ruby rule safe said sail salt same sand sang seal seat seed seen self send sent ship shoe shop show side sign
    sing skin slow snow soap sock soft some song soon sort soup star stay stem step stir stop such suit sure swam swan swim tail
    take tale talk tall tame team tell tent than that them then they thin this tide time tiny told tone took town tree trip true
    tune turn twig upon vase vest view wait wake walk wall want warm wash wave weak wear week well went were west what when wide
    wife wild will wind wing wise wish with wolf wood wool word wore work worm yard year your zone
    """.split()
)

# Words that are another one when they are read from behind, or with each letter moved by half the alphabet.
HIDDEN_IN_OTHERS: Final = frozenset({"guns", "evil", "devil", "drat", "tits", "anal", "slut", "loot"})


def are(first: str, second: str) -> bool:
    """Whether both are ordinary words of their own."""
    return first in _SHORT and second in _SHORT
