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
        "Programs paint here too: /generate, /phrase, /blend, /film, /recipe and /models, described under “API” "
        "below{mcp}.",
        "程序也能在此作画：/generate、/phrase、/blend、/film、/recipe、/models，说明见页脚“API”{mcp}。",
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
    # Say
    "page-say": ("Say", "言画"),
    "say-intro": (
        "<h2>Say what you want to see</h2><p>A recurrent network reads the words and sets the styles; the best of many "
        "tries is taken, and gradient descent brings it nearer to what was said.</p>",
        "<h2>说出你想看的</h2><p>循环网络读懂词语并定下风格；从许多尝试中取最好的一幅，再用梯度下降使它更接近所说。</p>",
    ),
    "phrase": ("A phrase, in English", "一句话（英文）"),
    "phrase-hint": ("a stormy sea at night, romanticism", "例如 a stormy sea at night, romanticism"),
    "say-it": ("Paint it", "画出来"),
    "say-dice": ("⚄ Others", "⚄ 另画"),
    "reads": ("It knows, for example: {words}.", "它认得的词，例如：{words}。"),
    "no-reader": (
        "This model reads no words: it has no prompt model beside it.",
        "此模型不识词语：它没有附带文字模型。",
    ),
    "known-words": ("Words it knew: {words}.", "认得的词：{words}。"),
    "unknown-words": ("Not known: {words}.", "不认得：{words}。"),
    "fits": ("{name} · fits better than {share}", "{name} · 胜过 {share}"),
    # Rework
    "page-rework": ("Rework", "改画"),
    "rework-intro": (
        "<h2>Gradient descent on a picture</h2><p>Bring a picture of your own, or pick one here. Step by step it is "
        "changed towards what you ask for, and you watch.</p>",
        "<h2>对一幅画做梯度下降</h2><p>带来你自己的图片，或在这里选一幅。它会一步步朝你要的方向改变，你可以看着它变。</p>",
    ),
    "rework-file": ("Your picture; without one, the picked one", "你的图片；不给则用选中的画"),
    "rework-privacy": (
        "<p>It stays on this server while you work, at most an hour, and is never in what you download.</p>",
        "<p>图片在你使用期间留在本服务器，至多一小时；下载的文件里绝不含它。</p>",
    ),
    "way": ("What to do with it", "要做什么"),
    "way-manner": ("In another manner", "换一种画法"),
    "way-find": ("Find it in the model", "在模型中找到它"),
    "way-dream": ("Dream on", "继续做梦"),
    "way-hint-manner": (
        "Its shapes, in the manner of the style, or of a second picture. About twenty seconds.",
        "保留形状，换成该风格或另一幅图片的画法。约二十秒。",
    ),
    "way-hint-find": (
        "The nearest that this model can paint: then blend, breed, steer and film it like any other. About a minute.",
        "找到此模型能画出的最接近者：之后可像其他画一样混合、繁育、微调、拍成影片。约一分钟。",
    ),
    "way-hint-dream": (
        "Pushed towards what the classifier takes for the style.",
        "推向分类网络所认为的那种风格。",
    ),
    "rework-style": ("Style", "风格"),
    "manner-file": ("Or the manner of this picture", "或用这幅图片的画法"),
    "strength": ("Strength", "强度"),
    "strength-info": ("How far from your picture it may go", "可以离原图多远"),
    "rework-it": ("Begin", "开始"),
    "reworking": ("It is being worked on.", "正在改画。"),
    "reworked": (
        "Done. The PNG says how it was made, and does not hold your picture.",
        "完成。PNG 记录了做法，不含你的原图。",
    ),
    "found-it": ("Found: it is the picked picture now.", "找到了：它现在是选中的画。"),
    "stopped-here": (
        "Stopped after {done} of {all} steps: this is what was reached.",
        "已在第 {done} 步（共 {all} 步）停止：这是目前的结果。",
    ),
    "stopped-early": ("It ended early: {why}.", "提前结束：{why}。"),
    "work": ("The picture", "画"),
    "curve": ("The loss, step by step", "逐步的损失"),
    "rework-download": ("Download it", "下载"),
    # Explain
    "page-explain": ("Explain", "看懂"),
    "explain-it": ("Explain", "看懂"),
    "explain-intro": (
        "<h2>What it sees, and how it learned</h2><p>Pick a picture and press “Explain”, or drop one of your own: a "
        "convolutional network tells its styles, and where it sees them.</p>",
        "<h2>它看到什么，又是怎样学会的</h2><p>选一幅画按“看懂”，或放入你自己的图片：卷积网络会说出它的风格，以及在哪里看到。</p>",
    ),
    "look-at-file": ("A picture of your own", "你自己的图片"),
    "look-at-privacy": (
        "<p>It is looked at here on this server, and deleted.</p>",
        "<p>图片只在本服务器上查看，随即删除。</p>",
    ),
    "what-the-eye-sees": ("Its styles", "它的风格"),
    "where-seen": ("Where it sees them", "在哪里看到"),
    "eye-accuracy": (
        "On real pictures that it had never seen, the first style was right in {accuracy} of cases",
        "在从未见过的真实图片上，首选风格的正确率为 {accuracy}",
    ),
    "eye-calibration": (", and its shares were off by {error} on average.", "，各份额平均偏差 {error}。"),
    "no-eye": ("This model has no classifier beside it.", "此模型没有附带分类网络。"),
    "nearest": ("The training pictures nearest to it", "最相近的训练图片"),
    "origin-scale": (
        "(The distance to the nearest, over that of a real picture that was kept from training: 0 is a copy, 1 as far "
        "as real pictures are from each other.)",
        "（与最近者的距离，除以未参与训练的真实图片的相应距离：0 为复制，1 即如真实图片彼此之间。）",
    ),
    "origin-far": (
        "Originality {ratio}: {nearer} of unseen real pictures lie nearer to a training picture than this one.",
        "原创度 {ratio}：{nearer} 的未见过的真实图片比这幅更接近训练图片。",
    ),
    "origin-near": (
        "Originality {ratio}: nearer to a training picture than 99 of 100 unseen real pictures are. Compare them.",
        "原创度 {ratio}：比 99% 未见过的真实图片更接近某幅训练图片，请加比较。",
    ),
    "origin-copy": ("Originality {ratio}: this is a training picture.", "原创度 {ratio}：这就是一幅训练图片。"),
    "no-thumbnails": (
        "The publisher of this model shows their names only, not the pictures.",
        "此模型的发布者只给出名称，不展示图片。",
    ),
    "no-neighbours": (
        "This model does not tell which pictures it learned from.",
        "此模型没有说明它学过哪些图片。",
    ),
    "story": ("How this model came to paint", "这个模型是怎样学会画画的"),
    "progress": ("From blots to pictures", "从色块到画"),
    "progress-words": (
        "The first seed of each style, a row each, as training went on; below, how many images it had seen.",
        "每种风格一行，同一个种子随训练推进的样子；下方是已看过的图片数。",
    ),
    "progress-alt": ("Samples over time, a row per style", "各风格样例随时间的变化"),
    "no-progress": (
        "No samples from its training were kept beside this model.",
        "此模型没有保留训练途中的样例。",
    ),
    "curves-words": (
        "Two networks trained against each other: one paints, one tells paintings from real pictures.",
        "两个网络互相较量：一个作画，一个分辨画作与真图。",
    ),
    "no-history": ("No training curves were kept beside this model.", "此模型没有保留训练曲线。"),
    "directions": ("What it can turn", "它能转动什么"),
    "directions-words": (
        "One picture moved along each direction that has a name, from {low} to {high} standard deviations.",
        "同一幅画沿每个命名方向移动，从 {low} 到 {high} 个标准差。",
    ),
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
    "no-text": ("{name} must be a text, found {found}", "{name} 必须是文字，收到的是 {found}"),
    "no-upload": (
        "{name} is not here: upload it again, it is deleted after a while",
        "{name} 不在这里：请重新上传，文件过一阵就会删除",
    ),
    "nobody-listens": ("nobody listened any more, so it was not finished", "没有人再等，所以没有完成"),
    "no-file": ("no file came: choose a PNG that was painted here", "没有收到文件：请选择在这里画的 PNG"),
    "nothing-to-rework": (
        "there is no picture to work on: choose a file, or click a picture first",
        "没有可改的画：请选择一个文件，或先点一幅画",
    ),
    "no-eye-to-dream": (
        "this model has no classifier beside it, so it cannot dream: choose another way",
        "此模型没有附带分类网络，无法做梦：请选其他方式",
    ),
    "no-manners": (
        "this model does not tell the manners of its styles: choose a second picture",
        "此模型没有附带各风格的画法：请选择第二幅图片",
    ),
    "no-picture-file": ("no file came: choose a picture", "没有收到文件：请选择一幅图片"),
    "not-a-picture": (
        "{name} cannot be used: {why}; choose a JPEG, PNG or WebP",
        "无法使用 {name}（{why}）：请选择 JPEG、PNG 或 WebP",
    ),
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
    "name-strength": ("strength", "强度"),
    "name-mutation": ("mutation", "新意"),
}


class Complaint(ValueError):
    """Input that is wrong in a way that the studio can say in each language; English as a plain error."""

    def __init__(self, key: str, **values: object):
        super().__init__(translate(DEFAULT_LANGUAGE, key, **values))
        self.key = key
        self.values = values


def translate(language: str, key: str, **values: object) -> str:
    """The text of a key in a language, or in English where that is unknown."""
    english, chinese = WORDS[key]
    return (chinese if language == "zh" else english).format(**values)


def knows(key: str) -> bool:
    return key in WORDS


def translate_error(error: Exception, language: str) -> str:
    """An error for a visitor; those from below the studio stay English."""
    if not isinstance(error, Complaint):
        return str(error)
    values = dict(error.values)
    if knows(f"name-{values.get('name')}"):
        values["name"] = translate(language, f"name-{values['name']}")
    return translate(language, error.key, **values)
