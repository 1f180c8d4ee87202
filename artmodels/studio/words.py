"""What the studio says, in English and Chinese: one line for each thing, `{...}` for what differs."""

LANGUAGES = {"en": "English", "zh": "中文"}
DEFAULT_LANGUAGE = "en"

WORDS: dict[str, tuple[str, str]] = {
    # What stands on every page
    "masthead": (
        "Pictures that nobody has painted before. A small neural network looked at paintings in {count} styles and now "
        "paints its own: pick a style, roll the dice, click a picture.",
        "从未有人画过的画。一个小型神经网络看过 {count} 种风格的绘画，如今自己作画：选一种风格，掷骰子，点一幅画。",
    ),
    "masthead-one": (
        "Pictures that nobody has painted before. A small neural network looked at paintings and now paints its own: "
        "roll the dice, click a picture.",
        "从未有人画过的画。一个小型神经网络看过许多绘画，如今自己作画：掷骰子，点一幅画。",
    ),
    "model": ("Model", "模型"),
    "model-info": (
        "Or any model on the Hub: user/model or user/model@revision",
        "也可填 Hub 上的任意模型：user/model 或 user/model@revision",
    ),
    "fetching": (
        "Fetching {name}; the wall still paints with the model before.",
        "正在获取 {name}；墙上仍由先前的模型作画。",
    ),
    "model-stays": ("The model before paints on.", "仍由先前的模型作画。"),
    "page-paint": ("Paint", "作画"),
    "page-blend": ("Blend", "调配风格"),
    "page-breed": ("Breed", "繁育"),
    "page-steer": ("Steer", "微调"),
    "page-film": ("Film", "影片"),
    "trouble": ("That did not work", "没有成功"),
    "not-stated": ("not stated by its publisher", "发布者未说明"),
    "colophon-model": (
        "Painted by {name}: {resolution} × {resolution} px in one pass of {millions} million weights, here on this "
        "server. Every PNG carries its recipe, and so does every link: open either here and the very picture comes "
        "back. What you keep stays in your browser; a file that you open is read for its recipe and deleted.",
        "作画者 {name}：{resolution} × {resolution} 像素，在本服务器上由 {millions} 百万个权重一次前向计算画成。"
        "每个 PNG 和每个链接都带有配方：在此打开，便得回原画。你收藏的内容只留在你的浏览器里；"
        "你打开的文件只读取配方，随即删除。",
    ),
    "colophon-rights": (
        "Licence of the model: {license}. Training pictures: {pictures}. Licence of the code: Apache-2.0.",
        "模型许可：{license}。训练图片：{pictures}。代码许可：Apache-2.0。",
    ),
    "colophon-api": (
        "Programs paint here too: /generate, /blend, /film, /recipe and /models, described under “API” below{mcp}.",
        "程序也能在此作画：/generate、/blend、/film、/recipe、/models，说明见页脚“API”{mcp}。",
    ),
    "mcp-on": ("; agents find the same tools at /gradio_api/mcp/", "；智能体可用 /gradio_api/mcp/ 上的同样工具"),
    "mcp-off": (
        "; MCP for agents is off, since its extra is not installed (pip install 'gradio[mcp]')",
        "；面向智能体的 MCP 未启用，因未安装其附加包（pip install 'gradio[mcp]'）",
    ),
    # Paint
    "style": ("Style", "风格"),
    "all-styles": ("all styles", "全部风格"),
    "seed": ("Seed", "种子"),
    "seed-info": ("Same number, same picture", "同一个数字，同一幅画"),
    "dice": ("⚄ Roll the dice", "⚄ 掷骰子"),
    "count": ("Pictures", "画的数量"),
    "count-info": ("One seed after the other", "一个种子接一个种子"),
    "truncation": ("Truncation", "截断"),
    "truncation-info": ("Low: typical of the style. High: wild", "低：风格典型。高：奔放"),
    "undo": ("↶ Undo", "↶ 撤销"),
    "zip": ("Download the wall", "下载整面墙"),
    "stop": ("Stop", "停止"),
    "painting": ("{done} of {all} pictures are painted", "已画好 {done} / {all} 幅"),
    "wall": ("Painted pictures", "画作"),
    "near": ("Pictures near {name}; the first is itself.", "与 {name} 相近的画；第一幅是它自己。"),
    "distance": ("Distance", "距离"),
    "distance-info": ("How far from it they go", "离它多远"),
    "near-leave": ("Back to seeds", "回到种子"),
    # The panel
    "picked": ("The picked picture", "选中的画"),
    "pick-hint": (
        "<p>Click any picture: keep it, find others like it, steer, breed or film it, take it along.</p>",
        "<p>点任意一幅画：收藏它、找相近的画、微调、繁育、拍成影片，或带走。</p>",
    ),
    "keep": ("♥ Keep", "♥ 收藏"),
    "kept-already": ("Let go", "取消收藏"),
    "more-like": ("More like this", "更多类似"),
    "steer-it": ("Steer", "微调"),
    "breed-it": ("Breed", "繁育"),
    "film-it": ("Film", "入片"),
    "coarse-it": ("Coarse layers", "取粗层"),
    "fine-it": ("Fine layers", "取细层"),
    "size": ("Size", "尺寸"),
    "download": ("Download", "下载"),
    "print-size": (
        "{pixels} × {pixels} px, in print {centimetres} × {centimetres} cm at 300 dpi",
        "{pixels} × {pixels} 像素，以 300 dpi 打印为 {centimetres} × {centimetres} 厘米",
    ),
    "link": ("Link to this picture", "这幅画的链接"),
    "link-info": ("It carries the whole recipe, so it lasts", "链接自带完整配方，长久有效"),
    "copy": ("Copy", "复制"),
    "link-too-long": (
        "this picture has too many ancestors for a link: download it, the PNG holds its recipe",
        "这幅画的祖先太多，链接放不下：请下载，PNG 里有配方",
    ),
    "kept": ("Kept pictures", "收藏的画"),
    "kept-title": ("<h2>Kept</h2>", "<h2>收藏</h2>"),
    "kept-none": ("Nothing kept yet. It stays in this browser.", "还没有收藏。收藏只存在这个浏览器里。"),
    "kept-none-html": (
        "<p>Nothing kept yet. It stays in this browser.</p>",
        "<p>还没有收藏。收藏只存在这个浏览器里。</p>",
    ),
    "kept-others": ("{count} kept of other models wait for them.", "另有 {count} 幅属于其他模型，切换后可见。"),
    "open": ("Open a picture or a link", "打开一幅画或一个链接"),
    "open-file": ("A PNG that was painted here", "在这里画的 PNG"),
    "open-link": ("A link or a recipe", "链接或配方"),
    "open-link-hint": ("Paste it and press Enter", "粘贴后按回车"),
    "offer-load": (
        "This picture was painted by {wanted}, and {model} is at work here.",
        "这幅画出自 {wanted}，而这里作画的是 {model}。",
    ),
    "offer-replaced": (
        "This picture was painted by an earlier version of {model}; today's paints another one from its recipe.",
        "这幅画出自 {model} 的早先版本；按它的配方，今天的版本会画出另一幅。",
    ),
    "offer-none": (
        "This picture was painted by {wanted}, which is not here; {model} paints another one from its recipe.",
        "这幅画出自 {wanted}，这里没有它；{model} 会按配方画出另一幅。",
    ),
    "load-it": ("Load that model", "载入该模型"),
    "repaint-it": ("Paint it with today's model", "用现在的模型画"),
    # Blend
    "blend-intro": (
        "<h2>Mix a style of your own</h2><p>Each slider is a share. What they make together is painted beside them, "
        "and gets a name if you like it.</p>",
        "<h2>调出自己的风格</h2><p>每个滑块是一份比例，合起来的样子画在旁边；喜欢就给它起个名字。</p>",
    ),
    "slots": ("Styles in the mix", "参与调配的风格"),
    "slots-info": ("At most twelve at once", "一次最多十二种"),
    "surprise": ("⚄ Surprise me", "⚄ 给我惊喜"),
    "even": ("All even", "全部均等"),
    "name": ("Its name", "名字"),
    "name-hint": ("Foggy ukiyo-e", "雾中浮世绘"),
    "save-style": ("Keep this style", "保存此风格"),
    "my-styles": ("Your styles", "你的风格"),
    "forget": ("Forget", "删除"),
    "saved": ("{name} is among the styles of the first page now", "“{name}”已列入首页的风格"),
    "style-link": ("Link to this style", "此风格的链接"),
    "style-link-info": ("Whoever opens it finds these sliders", "打开它的人会看到同样的滑块"),
    "layers-intro": (
        "<h2>Coarse of one, fine of another</h2><p>Pick a picture and press “Coarse layers”, pick another and press "
        "“Fine layers”: composition of the first, texture and colour of the second, cut at each possible place.</p>",
        "<h2>一幅的粗层，另一幅的细层</h2><p>选一幅按“取粗层”，再选一幅按“取细层”：前者的构图，后者的质感与色彩，"
        "在每个可能的位置切分。</p>",
    ),
    "coarse": ("Coarse layers of this one", "取此画的粗层"),
    "fine": ("Fine layers of this one", "取此画的细层"),
    "cuts": ("Both mixed", "混合结果"),
    "from-pixels": ("fine from {pixels} px", "细层自 {pixels} 像素起"),
    # Breed
    "breed-intro": (
        "<h2>Parents</h2><p>Pick two to four pictures and press “Breed” for each. Children inherit shares of all of "
        "them, and something new.</p>",
        "<h2>父母</h2><p>选两到四幅画，逐一按“繁育”。子代各取其份，外加一点新意。</p>",
    ),
    "parents": ("Parents", "父母"),
    "mutation": ("Something new", "新意"),
    "mutation-info": ("0: only what the parents have", "0：只有父母所有"),
    "have-children": ("Have children", "生育子代"),
    "clear": ("Clear", "清空"),
    "litter": ("Children", "子代"),
    "tree-intro": (
        "<h2>Family tree</h2><p>Click a generation to go back to it; what you breed then branches off.</p>",
        "<h2>家谱</h2><p>点一代便回到那一代；从那里再繁育，即成分支。</p>",
    ),
    "tree": ("Family tree", "家谱"),
    "forget-tree": ("Forget the tree", "清除家谱"),
    "generation": ("generation {number}", "第 {number} 代"),
    "one-more-parent": ("One parent is here: pick another picture and press “Breed”", "已有一位：再选一幅按“繁育”"),
    # Steer
    "steer-intro": (
        "<h2>Turn one thing at a time</h2><p>Pick a picture and press “Steer”. Each slider moves what it names, and "
        "leaves the rest as far as the model can.</p>",
        "<h2>一次只转动一样</h2><p>选一幅画按“微调”。每个滑块只移动它所指的那一样，其余尽量不变。</p>",
    ),
    "before": ("Before", "之前"),
    "after": ("After", "之后"),
    "reset": ("All back to 0", "全部归零"),
    "steer-table": ("What each slider was measured to move", "各滑块实测移动了什么"),
    "steer-table-words": (
        "Each slider from one end to the other, in standard deviations of each quality among this model's pictures.",
        "每个滑块从一端移到另一端，以该模型画作各项特征的标准差为单位。",
    ),
    "found-by": ("found by", "求得方式"),
    "found-factorised": ("factorisation", "分解"),
    "found-least squares": ("least squares", "最小二乘"),
    "moves-itself": ("moves itself by", "自身移动"),
    "moves-besides": ("moves most besides", "其余移动最多者"),
    "no-directions": ("This model has no named directions.", "此模型没有命名的方向。"),
    "direction-brightness": ("brightness", "亮度"),
    "direction-contrast": ("contrast", "对比度"),
    "direction-saturation": ("saturation", "饱和度"),
    "direction-warmth": ("warmth", "冷暖"),
    "direction-busyness": ("busyness", "繁复"),
    "direction-tint": ("green to magenta", "绿至洋红"),
    "direction-light from above": ("light from above", "上方光"),
    "direction-light from the left": ("light from the left", "左侧光"),
    "direction-light in the centre": ("light in the centre", "中央光"),
    # Film
    "film-intro": (
        "<h2>A walk through pictures</h2><p>Pick pictures and press “Film” for each, in the order of the walk.</p>",
        "<h2>在画间漫步</h2><p>按漫步的次序选画，逐一按“入片”。</p>",
    ),
    "reel": ("Pictures of the film", "影片所经的画"),
    "use-kept": ("All that I kept", "用我的全部收藏"),
    "seconds": ("Seconds", "秒数"),
    "rate": ("Frames a second", "每秒帧数"),
    "pixels": ("Pixels", "像素"),
    "format": ("Format", "格式"),
    "loop": ("Back to the first at the end", "最后回到第一幅"),
    "smooth": ("Slow down at each picture", "经过每幅时放慢"),
    "make-film": ("Make the film", "制作影片"),
    "film": ("The film", "影片"),
    "film-download": ("Download the film", "下载影片"),
    "filming": ("The film is being painted.", "影片绘制中。"),
    # What was wrong, and what to do
    "nothing-picked": ("no picture is picked: click one first", "还没有选画：请先点一幅"),
    "no-style": ("no style {found} in this model; it paints: {styles}", "此模型没有风格 {found}；它会画：{styles}"),
    "all-zero": ("all styles are at 0: give one of them a share", "所有风格都为 0：请给其中一种一份比例"),
    "no-mix": (
        'styles must be an object of names and shares, like {{"a": 0.6, "b": 0.4}}',
        '风格须为名称与比例的对象，例如 {{"a": 0.6, "b": 0.4}}',
    ),
    "no-list": ("pictures must be a list of seeds or of recipes", "pictures 须为种子或配方的列表"),
    "other-model": (
        "this picture was painted by {wanted}, not by {model}: choose that model first",
        "这幅画出自 {wanted}，而不是 {model}：请先选择那个模型",
    ),
    "other-weights": (
        "this picture was painted by an earlier version of {model}: open it to repaint it with today's",
        "这幅画出自 {model} 的早先版本：请用“打开”让今天的版本重画",
    ),
    "no-pictures": ("there is no picture to pack: paint some first", "没有可打包的画：请先作画"),
    "no-recipe-text": (
        "paste a link that was copied here, or a recipe in JSON",
        "请粘贴在这里复制的链接，或 JSON 格式的配方",
    ),
    "no-number": ("{name} must be a number, found {found}", "{name} 须为数字，而得到 {found}"),
    "out-of-bounds": (
        "{name} must be between {lowest} and {highest}, found {found}",
        "{name} 须在 {lowest} 与 {highest} 之间，而得到 {found}",
    ),
    "no-whole-number": (
        "{name} must be a whole number between {lowest} and {highest}, found {found}",
        "{name} 须为 {lowest} 与 {highest} 之间的整数，而得到 {found}",
    ),
    "kept-full": ("{most} pictures are kept already: let one go first", "已收藏 {most} 幅：请先放下一幅"),
    "no-file": ("no file came: choose a PNG that was painted here", "没有收到文件：请选择在这里画的 PNG"),
    "no-png": ("{name} is no PNG: choose one that was painted here", "{name} 不是 PNG：请选择在这里画的 PNG"),
    "too-many-pixels": (
        "{width} × {height} pixels are too many: choose a PNG that was painted here, of at most {most} megapixels",
        "{width} × {height} 像素太大：请选择在这里画的 PNG，至多 {most} 百万像素",
    ),
    "no-recipe": (
        "{name} carries no recipe: it was not painted here, or was saved anew since",
        "{name} 不带配方：它不是在这里画的，或被另存过",
    ),
    "no-name": ("give the style a name first", "请先给风格起个名字"),
    "designs-full": ("{most} styles are kept already: forget one first", "已保存 {most} 种风格：请先删除一种"),
    "too-many-parents": ("a family has at most {most} parents: clear them first", "至多 {most} 位父母：请先清空"),
    "too-few-parents": (
        "children need at least 2 parents, found {found}: pick pictures and press “Breed”",
        "子代至少需要 2 位父母，现有 {found}：请选画并按“繁育”",
    ),
    "too-few-stops": (
        "a film needs at least {least} pictures, found {found}: pick some and press “Film”",
        "影片至少需要 {least} 幅画，现有 {found}：请选画并按“入片”",
    ),
    "too-many-stops": ("a film has at most {most} pictures: clear them first", "一部影片至多 {most} 幅画：请先清空"),
    "nothing-kept": ("nothing is kept of this model: keep some pictures first", "没有此模型的收藏：请先收藏几幅"),
    # Names of what a number belongs to, inside the lines above
    "name-seed": ("seed", "种子"),
    "name-count": ("count", "数量"),
    "name-truncation": ("truncation", "截断"),
    "name-distance": ("distance", "距离"),
    "name-mutation": ("mutation", "新意"),
}


class Complaint(ValueError):
    """Input that is wrong in a way that the studio can say in each language; English as a plain error."""

    def __init__(self, key: str, **values: object):
        super().__init__(say(DEFAULT_LANGUAGE, key, **values))
        self.key = key
        self.values = values


def say(language: str, key: str, **values: object) -> str:
    """The text of a key in a language, or in English where that is unknown."""
    english, chinese = WORDS[key]
    return (chinese if language == "zh" else english).format(**values)


def knows(key: str) -> bool:
    return key in WORDS


def say_error(error: Exception, language: str) -> str:
    """An error for a visitor; those from below the studio stay English."""
    if not isinstance(error, Complaint):
        return str(error)
    values = dict(error.values)
    if knows(f"name-{values.get('name')}"):
        values["name"] = say(language, f"name-{values['name']}")
    return say(language, error.key, **values)
