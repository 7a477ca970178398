"""Names of common Dutch, Frisian, Turkish, Moroccan, Surinamese and Polish stock, for the example school.

Only lists: they are put together at random in `school.py`, so that they name no real person.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Origin:
    """Names that go together. A surname is written `voorvoegsel|achternaam`; `land` is its ISO 3166 code."""

    share: float
    land: str
    boys: tuple[str, ...]
    girls: tuple[str, ...]
    surnames: tuple[str, ...]


def _names(text: str) -> tuple[str, ...]:
    return tuple(name.strip() for name in text.split(","))


ORIGINS = (
    Origin(
        0.62,
        "NL",
        _names(
            "Daan, Sem, Lucas, Levi, Finn, Noah, Bram, Mees, Luuk, Thijs, Jesse, Lars, Tim, Ruben, Julian, Gijs, Teun, "
            "Sam, Hugo, Max, Stijn, Jurriën, Daniël, Rafaël, Joël, André, René, Jan-Willem, Pieter-Jan, Koen, Olivier, "
            "Floris, Job, Pepijn, Tijn, Siem, Boaz, Guus, Casper, Mats, Joris, Matthijs, Cas, Dirk, Huub"
        ),
        _names(
            "Emma, Julia, Sophie, Tess, Zoë, Eva, Sara, Anna, Lieke, Saar, Evi, Lotte, Noor, Fleur, Isa, Roos, Maud, "
            "Loïs, Chloé, Renée, Noëlle, Danaë, Anne-Fleur, Marie-Louise, Floor, Fenna, Pien, Nina, Jasmijn, Elin, "
            "Sanne, Iris, Femke, Merel, Veerle, Lynn, Puck, Liv, Suze, Bo, Myrthe, Esmée, Amélie, Josephine, Juul"
        ),
        _names(
            "Jansen, de|Vries, van den|Berg, van|Dijk, Bakker, Visser, Smit, Meijer, de|Boer, Mulder, de|Groot, Bos, "
            "Vos, Peters, Hendriks, van|Leeuwen, Dekker, Brouwer, de|Wit, Dijkstra, Smits, de|Graaf, van der|Meer, "
            "van der|Linden, Kok, Jacobs, de|Haan, Vermeulen, van den|Heuvel, van der|Veen, van den|Broek, de|Bruijn, "
            "van der|Heijden, Schouten, van|Beek, Willems, van|Vliet, van de|Ven, Hoekstra, Maas, Verhoeven, Koster, "
            "van|Dam, van der|Wal, Prins, Blom, Huisman, Peeters, de|Jong, Kuipers, van|Veen, Kuiper, Veenstra, Post, "
            "Kramer, van den|Brink, Scholten, van|Wijk, Postma, Martens, Vink, de|Ruiter, Timmermans, Groen, Gerritsen, "
            "Jonker, van|Loon, Boer, van der|Velde, Willemsen, Smeets, de|Lange, de|Vos, van|Dongen, Schipper, de|Koning, "
            "van der|Laan, Koning, Driessen, van|Doorn, Hermans, Evers, van den|Bosch, van der|Meulen, Hofman, Bosman, "
            "Wolters, Sanders, van der|Horst, Mol, Kuijpers, Molenaar, van de|Pol, de|Leeuw, 't|Hart, in 't|Veld, "
            "van 't|Hof, op den|Kamp, ter|Haar, ten|Brinke, te|Winkel, uit den|Bogaard, d'|Hondt, Schuïtema, Noël, "
            "Jansen-de Vries, Bakker-van Dijk, Vermeer-Smit, Mulder-'t Hart, Kok-Peters"
        ),
    ),
    Origin(
        0.10,
        "NL",
        _names("Sjoerd, Jelle, Tjeerd, Wytze, Hidde, Sietse, Fokke, Douwe, Wiebe, Jurre, Ids, Rinse, Bauke, Tsjerk"),
        _names(
            "Fardau, Jildou, Sjoukje, Nynke, Hiske, Tjitske, Doutzen, Ymkje, Wietske, Froukje, Sietske, Maaike, Jeltsje"
        ),
        _names(
            "Hiemstra, Wiersma, Sikkema, Terpstra, Zijlstra, Bouma, Feenstra, van der|Ploeg, Jellema, Sinnema, Reitsma, "
            "Wierda, Gjaltema, Fopma, Bûma, Haitsma-Wiarda, van|Haersma, Ypma, Hooghiemstra, Boersma, Andela"
        ),
    ),
    Origin(
        0.08,
        "MA",
        _names("Mohammed, Ismaël, Youssef, Ayoub, Bilal, Zakaria, Anass, Ilyas, Soufiane, Yassin, Adam, Hamza, Rayan"),
        _names("Fatima, Aïcha, Noraïsa, Salma, Yasmina, Hafsa, Imane, Naoual, Soraya, Lina, Malak, Douaë, Khadija"),
        _names(
            "el|Amrani, el|Idrissi, Bouzidi, Ben|Ali, Aït|Taleb, el|Yaakoubi, Bennani, el|Mansouri, Ouali, Azzouzi, "
            "Ben|Moussa, el|Fassi, Chaoui, Haddou, Belkacem, el|Ouazzani, Tahiri, Lahlou"
        ),
    ),
    Origin(
        0.07,
        "TR",
        _names("Emir, Yusuf, Mert, Ömer, Kerem, Eymen, Çağan, Barış, Umut, Görkem, Furkan, Oğuz, İsmail, Deniz"),
        _names("Elif, Zeynep, Defne, Büşra, Ayşe, Gülşen, Ecrin, Hatice, Nazlı, Özlem, Ceylin, Şeyma, Tuğba, İrem"),
        _names(
            "Yılmaz, Kaya, Demir, Çelik, Şahin, Öztürk, Yıldız, Aydın, Özdemir, Arslan, Doğan, Kılıç, Güneş, Koç, "
            "Korkmaz, Erdoğdu, Çetin, Şimşek, Ünal, Aktaş"
        ),
    ),
    Origin(
        0.06,
        "SR",
        _names("Dwight, Jaïro, Winston, Rajiv, Ravi, Orlando, Jermaine, Kishan, Clyde, Regillio, Guno, Anand"),
        _names("Shanti, Anjali, Roché, Chantal, Priya, Aisha, Radjni, Wonnie, Maïté, Sharmila, Ketura, Joëlle"),
        _names(
            "Ramdin, Doekhi, Pinas, Wijngaarde, Kartosen, Soekhoe, Emanuels, Bhagwan, Landveld, Misiekaba, Ramautar, "
            "Tjon-A-Fat, Lieuw-Kie-Song, Mohan, Jubitana, Karijodimedjo, Blijd, van|Dal"
        ),
    ),
    Origin(
        0.07,
        "PL",
        _names("Jakub, Szymon, Michał, Łukasz, Paweł, Kacper, Wojciech, Stanisław, Antoni, Filip, Bartłomiej, Józef"),
        _names("Zuzanna, Małgorzata, Oliwia, Hanna, Agnieszka, Łucja, Bożena, Kinga, Żaneta, Zofia, Alicja, Grażyna"),
        _names(
            "Nowak, Kowalski, Wiśniewska, Wójcik, Kamińska, Lewandowski, Zieliński, Szymańska, Woźniak, Dąbrowski, "
            "Kozłowska, Jankowski, Mazur, Wojciechowska, Kwiatkowski, Krawczyk, Grabowska, Pająk"
        ),
    ),
)
"""The stocks with their share of the families; the shares add up to one."""
